import type { Clock, Timer } from '#kernel/time/clock.ts';

/** Bounds each wait for a device that sends, or takes, a body piece by piece. */
export interface StallGuard {
  /** The waits are one after the other. */
  during<T>(wait: Promise<T>): Promise<T>;
  stop(): void;
}

/**
 * Calls `onStall` once when one wait has lasted `ms` milliseconds (up to a quarter more). It has a timer from the
 * first wait on: most bodies never wait.
 */
export function stallGuard(clock: Clock, ms: number, onStall: () => void): StallGuard {
  let since: number | undefined;
  let timer: Timer | undefined;
  const look = (): void => {
    // Monotonic time only: a wall clock that is set must not cut everybody.
    if (since === undefined || clock.monotonic() - since < ms) return;
    timer?.cancel();
    onStall();
  };
  return {
    during: async (wait) => {
      since = clock.monotonic();
      timer ??= clock.setRepeating(ms / 4, look);
      try {
        return await wait;
      } finally {
        since = undefined;
      }
    },
    stop: () => timer?.cancel(),
  };
}
