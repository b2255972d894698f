import type { Logger } from '#kernel/log/logger.ts';
import type { SessionStore } from './session-store.ts';

/** Handles in one statement. */
const batchSize = 200;

/** Last-seen times wait here and go to the database in batches; losing some costs nobody anything. */
export class LastSeen {
  readonly #store: Pick<SessionStore, 'saveLastSeen'>;
  readonly #log: Logger;
  readonly #max: number;
  #seen = new Map<string, number>();
  #flushing: Promise<void> | undefined;

  /** @param max sessions whose time may wait; further ones are left out until the next batch has gone */
  constructor(store: Pick<SessionStore, 'saveLastSeen'>, log: Logger, max = 200_000) {
    this.#store = store;
    this.#log = log;
    this.#max = max;
  }

  note(handle: string, atMs: number): void {
    if (this.#seen.size < this.#max || this.#seen.has(handle)) this.#seen.set(handle, atMs);
  }

  /** Writes what there is; to be called every half minute or so. Never throws. */
  flush(): Promise<void> {
    this.#flushing ??= this.#flush().finally(() => {
      this.#flushing = undefined;
    });
    return this.#flushing;
  }

  async #flush(): Promise<void> {
    const seen = [...this.#seen];
    this.#seen = new Map();
    try {
      for (let from = 0; from < seen.length; from += batchSize) {
        await this.#store.saveLastSeen(new Map(seen.slice(from, from + batchSize)));
      }
    } catch (error) {
      this.#log.warn({ err: error, sessions: seen.length }, 'times of last use were not stored');
    }
  }
}
