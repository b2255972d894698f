import { SallyportError } from '#core/errors/error.ts';
import type { Clock } from './clock.ts';
import { systemClock } from './system-clock.ts';

export interface DeadlineOptions {
  /** Named in the error: "<what> took longer than 500 ms". */
  what: string;
  /** Ends the wait early, with the signal's reason. */
  signal?: AbortSignal;
  clock?: Clock;
}

/**
 * Runs `work` for at most `ms` milliseconds. The signal it is given is aborted at the deadline (and when
 * `options.signal` is), so that work which heeds it stops; work that does not is left behind, its result
 * ignored.
 * @throws SallyportError DEADLINE after `ms`; the reason of `options.signal`; whatever `work` throws.
 */
export async function withDeadline<T>(
  work: Promise<T> | ((signal: AbortSignal) => Promise<T>),
  ms: number,
  options: DeadlineOptions,
): Promise<T> {
  const clock = options.clock ?? systemClock;
  const end = new AbortController();
  const onAbort = (): void => end.abort(options.signal?.reason);
  if (options.signal?.aborted) onAbort();
  else options.signal?.addEventListener('abort', onAbort, { once: true });
  const timer = clock.setTimer(ms, () =>
    end.abort(new SallyportError('DEADLINE', { message: `${options.what} took longer than ${ms} ms` })),
  );
  // setTimer does not keep the process alive; a caller that waits here must not see it end instead.
  const alive = setInterval(() => {}, 2 ** 30);
  try {
    const aborted = new Promise<never>((_, reject) => {
      if (end.signal.aborted) reject(end.signal.reason);
      else end.signal.addEventListener('abort', () => reject(end.signal.reason), { once: true });
    });
    return await Promise.race([aborted, typeof work === 'function' ? work(end.signal) : work]);
  } finally {
    clearInterval(alive);
    timer.cancel();
    options.signal?.removeEventListener('abort', onAbort);
  }
}
