import { type Clock, elapsed, type Instant, instant } from '#kernel/time/clock.ts';

/**
 * The database's time as learned with each poll. Sessions expire by it, so that pods with different clocks
 * agree. It counts from the start of the read, and by the larger of monotonic and wall-clock progress: it
 * errs towards later, which ends rights sooner.
 */
export class DatabaseTime {
  readonly #clock: Clock;
  #learned: { readonly at: Instant; readonly ms: number } | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** @param startedAt when the read that gave `ms` (Unix milliseconds) was begun */
  learn(ms: number, startedAt: Instant): void {
    this.#learned = { at: startedAt, ms };
  }

  /** Unix milliseconds. Before the first poll, this machine's own. */
  now(): number {
    if (this.#learned === undefined) return this.#clock.now();
    return Math.floor(this.#learned.ms + elapsed(this.#clock, this.#learned.at));
  }

  /** A clock whose wall time is the database's; what it measures and waits for is as before. */
  asClock(): Clock {
    const clock = this.#clock;
    return {
      now: () => this.now(),
      monotonic: () => clock.monotonic(),
      sleep: (ms, signal) => clock.sleep(ms, signal),
      setTimer: (ms, run) => clock.setTimer(ms, run),
      setRepeating: (ms, run) => clock.setRepeating(ms, run),
    };
  }

  /** The present on the scales of the underlying clock. */
  instant(): Instant {
    return instant(this.#clock);
  }
}
