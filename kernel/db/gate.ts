import { SallyportError } from '#core/errors/error.ts';
import type { Clock } from '#kernel/time/clock.ts';

export interface GateOptions {
  /** How many may be inside at once, and one more that is urgent. */
  inside: number;
  /** How many may wait; the next is refused with DB_BUSY. */
  waiting: number;
  clock: Clock;
}

interface Waiter {
  admit: () => void;
}

/** Urgent ones that may wait. */
const maxUrgent = 100;

/**
 * Lets a bounded number in, and a bounded number wait, first come first served. What is urgent has a place of
 * its own, is served first, and is not kept out by how many others wait.
 */
export class Gate {
  readonly #options: GateOptions;
  readonly #queue = new Set<Waiter>();
  readonly #urgent = new Set<Waiter>();
  #inside = 0;

  constructor(options: GateOptions) {
    this.#options = options;
  }

  get inside(): number {
    return this.#inside;
  }

  get waiting(): number {
    return this.#queue.size + this.#urgent.size;
  }

  /**
   * Resolves to the function that leaves again (call it once).
   * @throws DB_BUSY when too many wait already; DB_UNAVAILABLE after `ms`; the reason of `signal`.
   */
  async enter(ms: number, signal?: AbortSignal, urgent = false): Promise<() => void> {
    signal?.throwIfAborted();
    if (this.#inside >= this.#options.inside + (urgent ? 1 : 0)) await this.#wait(ms, signal, urgent);
    else this.#inside += 1;
    let left = false;
    return () => {
      if (left) return;
      left = true;
      this.#leave();
    };
  }

  #wait(ms: number, signal: AbortSignal | undefined, urgent: boolean): Promise<void> {
    const queue = urgent ? this.#urgent : this.#queue;
    if (queue.size >= (urgent ? maxUrgent : this.#options.waiting)) {
      throw new SallyportError('DB_BUSY', { retryAfterMs: 1000 });
    }
    return new Promise((resolve, reject) => {
      const done = (settle: () => void): void => {
        timer.cancel();
        signal?.removeEventListener('abort', onAbort);
        queue.delete(waiter);
        settle();
      };
      const waiter: Waiter = { admit: () => done(resolve) };
      const onAbort = (): void => done(() => reject(signal?.reason));
      const timer = this.#options.clock.setTimer(ms, () =>
        done(() => reject(new SallyportError('DB_UNAVAILABLE', { retryAfterMs: 1000 }))),
      );
      signal?.addEventListener('abort', onAbort, { once: true });
      queue.add(waiter);
    });
  }

  #leave(): void {
    const [urgent] = this.#urgent;
    // The urgent one's own place is not handed on to others.
    const [next] = urgent ? [urgent] : this.#inside > this.#options.inside ? [] : this.#queue;
    // The place is handed over, so that nobody can slip in between.
    if (next) next.admit();
    else this.#inside -= 1;
  }
}
