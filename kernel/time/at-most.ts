import type { Clock } from './clock.ts';

/** What the work gives, or undefined when that takes longer than `ms`; then it goes on. @throws as it does meanwhile */
export async function atMost<T>(clock: Clock, work: Promise<T>, ms: number): Promise<T | undefined> {
  const done = new AbortController();
  try {
    return await Promise.race([work, clock.sleep(ms, done.signal).then(nothing, nothing)]);
  } finally {
    done.abort();
  }
}

const nothing = (): undefined => undefined;
