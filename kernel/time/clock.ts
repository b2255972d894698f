/**
 * Time as a parameter. Code that decides by time takes a `Clock`, so that a test can own it; only
 * `system-clock.ts` reads the real one.
 */
export interface Clock {
  /** Wall-clock time, milliseconds since 1970. May jump either way. */
  now(): number;
  /** Milliseconds since an arbitrary start. Never goes back, but may stand still while the machine sleeps. */
  monotonic(): number;
  /**
   * Resolves after `ms` (below 0 counts as 0; any length, even beyond the 24.8 days of a Node timer).
   * Rejects with the signal's reason when `signal` is aborted first.
   */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** Calls `run` once after `ms`. Does not keep the process alive. */
  setTimer(ms: number, run: () => void): Timer;
  /** Calls `run` every `ms` (at least 1) until cancelled. Does not keep the process alive. */
  setRepeating(ms: number, run: () => void): Timer;
}

export interface Timer {
  /** Harmless when the timer has run already. */
  cancel(): void;
}

/** A point in time on both scales, to measure from. */
export interface Instant {
  readonly wall: number;
  readonly monotonic: number;
}

export function instant(clock: Clock): Instant {
  return { wall: clock.now(), monotonic: clock.monotonic() };
}

/**
 * Milliseconds since `since`: the larger of monotonic and wall-clock progress. A suspended machine stops
 * the first, a clock set back the second; whoever holds a right for a bounded time must not gain by either.
 * Never negative.
 */
export function elapsed(clock: Clock, since: Instant): number {
  return elapsedUntil(instant(clock), since);
}

/** The same for a present that was read before. */
export function elapsedUntil(now: Instant, since: Instant): number {
  return Math.max(0, now.monotonic - since.monotonic, now.wall - since.wall);
}
