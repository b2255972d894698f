import { SallyportError } from '#core/errors/error.ts';
import type { Clock } from '#kernel/time/clock.ts';

export interface GateOptions {
  /** How many may be inside at once. */
  inside: number;
  /** How many may wait; the next is refused with DB_BUSY. */
  waiting: number;
  clock: Clock;
}

interface Waiter {
  admit: () => void;
}

/** Lets a bounded number in, and a bounded number wait, first come first served. */
export class Gate {
  readonly #options: GateOptions;
  readonly #queue = new Set<Waiter>();
  #inside = 0;

  constructor(options: GateOptions) {
    this.#options = options;
  }

  get inside(): number {
    return this.#inside;
  }

  get waiting(): number {
    return this.#queue.size;
  }

  /**
   * Resolves to the function that leaves again (call it once).
   * @throws DB_BUSY when too many wait already; DB_UNAVAILABLE after `ms`; the reason of `signal`.
   */
  async enter(ms: number, signal?: AbortSignal): Promise<() => void> {
    signal?.throwIfAborted();
    if (this.#inside >= this.#options.inside) await this.#wait(ms, signal);
    else this.#inside += 1;
    let left = false;
    return () => {
      if (left) return;
      left = true;
      this.#leave();
    };
  }

  #wait(ms: number, signal: AbortSignal | undefined): Promise<void> {
    if (this.#queue.size >= this.#options.waiting) {
      throw new SallyportError('DB_BUSY', { retryAfterMs: 1000 });
    }
    return new Promise((resolve, reject) => {
      const done = (settle: () => void): void => {
        timer.cancel();
        signal?.removeEventListener('abort', onAbort);
        this.#queue.delete(waiter);
        settle();
      };
      const waiter: Waiter = { admit: () => done(resolve) };
      const onAbort = (): void => done(() => reject(signal?.reason));
      const timer = this.#options.clock.setTimer(ms, () =>
        done(() => reject(new SallyportError('DB_UNAVAILABLE', { retryAfterMs: 1000 }))),
      );
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#queue.add(waiter);
    });
  }

  #leave(): void {
    const [next] = this.#queue;
    // The place is handed over, so that nobody can slip in between.
    if (next) next.admit();
    else this.#inside -= 1;
  }
}
