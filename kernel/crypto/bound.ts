import { SallyportError } from '#core/errors/error.ts';

export interface BoundOptions {
  /** How many run at once. */
  readonly inside: number;
  /** How many may wait; the next one is refused. */
  readonly waiting: number;
  /** For the error: "passwords". */
  readonly what: string;
}

/** Lets so many run at once and so many wait, first come first served; the newest is shed. */
export class Bound {
  readonly #options: BoundOptions;
  #inside = 0;
  readonly #waiting = new Set<() => void>();

  constructor(options: BoundOptions) {
    this.#options = options;
  }

  /** @throws OVERLOADED, or CANCELLED when `signal` is aborted before its turn */
  async run<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    if (this.#inside >= this.#options.inside) await this.#turn(signal);
    else this.#inside += 1;
    try {
      return await work();
    } finally {
      const [next] = this.#waiting;
      // The place goes to the next one without becoming free in between.
      if (next === undefined) this.#inside -= 1;
      else next();
    }
  }

  #turn(signal: AbortSignal | undefined): Promise<void> {
    if (this.#waiting.size >= this.#options.waiting) {
      throw new SallyportError('OVERLOADED', {
        message: `too many ${this.#options.what} are waiting here`,
        retryAfterMs: 1000,
      });
    }
    return new Promise((resolve, reject) => {
      const go = (): void => {
        this.#waiting.delete(go);
        signal?.removeEventListener('abort', stop);
        resolve();
      };
      const stop = (): void => {
        this.#waiting.delete(go);
        reject(new SallyportError('CANCELLED', { cause: signal?.reason }));
      };
      if (signal?.aborted) {
        stop();
        return;
      }
      signal?.addEventListener('abort', stop, { once: true });
      this.#waiting.add(go);
    });
  }
}
