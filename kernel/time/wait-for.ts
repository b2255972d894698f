import { SallyportError } from '#core/errors/error.ts';
import { type Clock, elapsed, instant } from './clock.ts';
import { withDeadline } from './deadline.ts';
import { systemClock } from './system-clock.ts';

export interface WaitOptions {
  /** Milliseconds until giving up. */
  timeoutMs: number;
  /** Milliseconds between two looks; default 50. */
  everyMs?: number;
  /** What is waited for, for the error: "gave up waiting for <what>". */
  what: string;
  signal?: AbortSignal;
  clock?: Clock;
}

/**
 * Looks at `condition` until it gives something other than undefined, null and false, and returns that.
 * A condition that throws counts as not yet met; its last error is the cause of the one thrown here.
 * @throws SallyportError DEADLINE after `timeoutMs`; the reason of `signal`.
 */
export async function waitFor<T>(
  condition: (signal: AbortSignal) => T | Promise<T>,
  options: WaitOptions,
): Promise<Exclude<T, undefined | null | false>> {
  const clock = options.clock ?? systemClock;
  const start = instant(clock);
  let lastError: unknown;
  const look = async (signal: AbortSignal) => {
    for (;;) {
      signal.throwIfAborted();
      try {
        const met = await condition(signal);
        if (met !== undefined && met !== null && met !== false) {
          return met as Exclude<T, undefined | null | false>;
        }
        lastError = undefined;
      } catch (error) {
        lastError = error;
      }
      await clock.sleep(options.everyMs ?? 50, signal);
    }
  };
  try {
    return await withDeadline(look, options.timeoutMs, {
      what: options.what,
      clock,
      ...(options.signal && { signal: options.signal }),
    });
  } catch (error) {
    if (options.signal?.aborted) throw error;
    const after = `gave up waiting for ${options.what} after ${Math.round(elapsed(clock, start))} ms`;
    const because = lastError === undefined ? '' : `: ${String(lastError)}`;
    throw new SallyportError('DEADLINE', { message: after + because, cause: lastError });
  }
}
