import { SallyportError } from '../core/errors/error.ts';
import type { Platform } from './platform.ts';

export interface Deadline {
  /** Aborted at the deadline with DEADLINE, or with CANCELLED when the caller gives up. */
  readonly signal: AbortSignal;
  /** The wait is over: no timer and no listener is left. */
  done(): void;
}

/** A bound of `ms` milliseconds on everything that is given the signal. */
export function deadline(
  platform: Platform,
  ms: number,
  what: string,
  caller: AbortSignal | undefined,
): Deadline {
  const end = new AbortController();
  const over = new AbortController();
  const cancelled = (): void => end.abort(new SallyportError('CANCELLED', { cause: caller?.reason }));
  if (caller?.aborted) cancelled();
  caller?.addEventListener('abort', cancelled, { once: true });
  platform.sleep(ms, over.signal).then(
    () => end.abort(new SallyportError('DEADLINE', { message: `${what} took longer than ${ms} ms` })),
    () => undefined,
  );
  return {
    signal: end.signal,
    done: () => {
      caller?.removeEventListener('abort', cancelled);
      over.abort();
    },
  };
}

/** Runs `work` under a deadline of its own. */
export async function within<T>(
  platform: Platform,
  ms: number,
  what: string,
  caller: AbortSignal | undefined,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const bound = deadline(platform, ms, what, caller);
  try {
    return await work(bound.signal);
  } finally {
    bound.done();
  }
}

/** The promise's value, unless the signal is aborted first: then its reason is thrown. */
export async function orAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  let stop = (): void => {};
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(signal.reason);
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}
