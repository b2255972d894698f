import type { Clock } from '#kernel/time/clock.ts';

/** Runs `turn` every `everyMs` (from begin to begin, never two at once) until `signal`; `turn` must not throw. */
export async function loop(
  clock: Clock,
  everyMs: number,
  signal: AbortSignal,
  turn: () => Promise<void>,
): Promise<void> {
  while (!signal.aborted) {
    const begun = clock.monotonic();
    await turn();
    await new Promise<void>((resolve) => {
      const done = (): void => {
        timer.cancel();
        signal.removeEventListener('abort', done);
        resolve();
      };
      const timer = clock.setTimer(everyMs - (clock.monotonic() - begun), done);
      if (signal.aborted) done();
      else signal.addEventListener('abort', done, { once: true });
    });
  }
}
