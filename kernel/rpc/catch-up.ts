import type { Clock } from '#kernel/time/clock.ts';

/** Milliseconds between two looks at the clock. */
const lookMs = 500;
/** So many later than it is due, a look says that the process was stopped, not that the machine is busy. */
const stoppedMs = 3000;
/** Milliseconds in which what has gathered in the sockets is read. */
const readMs = 500;

/**
 * A process that was stopped, or whose machine was, finds in its sockets all that was asked of it meanwhile. Most of it
 * was given up since, and its callers ask again: whoever worked it off in order would do so for nobody, while those
 * who still wait give up as well. So for a moment it only reads, and learns which calls are over.
 */
export class CatchUp {
  readonly #clock: Clock;
  readonly #stop: () => void;
  #looked: number;
  #until = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#looked = clock.monotonic();
    const timer = clock.setRepeating(lookMs, () => this.#look());
    this.#stop = () => timer.cancel();
  }

  /** Resolves when a call that has just come may begin; undefined: at once. */
  wait(): Promise<void> | undefined {
    const left = this.#look() - this.#clock.monotonic();
    return left > 0 ? this.#clock.sleep(left) : undefined;
  }

  stop(): void {
    this.#stop();
  }

  #look(): number {
    const now = this.#clock.monotonic();
    if (now - this.#looked > lookMs + stoppedMs) this.#until = now + readMs;
    this.#looked = now;
    return this.#until;
  }
}
