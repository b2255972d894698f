import type { SliceAnswer } from '../harness/interleave.ts';

/** Repeats `work` on `inFlight` strands for so many milliseconds, and waits for what is under way then. */
export async function closedLoop(
  ms: number,
  inFlight: number,
  work: (n: number) => Promise<boolean>,
): Promise<SliceAnswer> {
  const end = performance.now() + ms;
  let begun = 0;
  let done = 0;
  let failed = 0;
  const strand = async (): Promise<void> => {
    // Whatever fails is not repeated for seconds.
    while (performance.now() < end && failed < 100) {
      if (await work(begun++)) done += 1;
      else failed += 1;
    }
  };
  await Promise.all(Array.from({ length: inFlight }, strand));
  return { done, failed };
}
