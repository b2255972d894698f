import { SallyportError } from '#core/errors/error.ts';
import type { CallOptions, Db } from '#kernel/db/db.ts';
import type { Clock } from '#kernel/time/clock.ts';
import { withDeadline } from '#kernel/time/deadline.ts';
import type { SecurityTables } from '../store/tables.ts';
import type { FeedTransaction, NewRevocation } from './feed.ts';

/** Entries of one transaction. */
const maxTogether = 200;
/** Entries that may wait; the next one fails with DB_BUSY. */
const maxWaiting = 5000;
/** Milliseconds for a caller that names none. */
const unaskedMs = 10_000;

interface Waiting {
  readonly entry: NewRevocation;
  /** Monotonic milliseconds. */
  readonly until: number;
  readonly settle: PromiseWithResolvers<number>;
  /** It has been in a transaction, so that it may be committed. */
  begun: boolean;
}

export interface EntriesDeps {
  readonly db: Pick<Db<SecurityTables>, 'tx'>;
  /** Writes the entries (at least one) within a transaction, and gives the position of the last. */
  readonly append: (trx: FeedTransaction, entries: readonly NewRevocation[]) => Promise<number>;
  readonly clock: Clock;
}

/**
 * Entries that have no transaction of their own share one. All entries of the fleet are committed one after the other
 * (the feed has no gaps), and a commit takes 0.65 s while a database node joins: one by one they would wait in a line.
 * A transaction takes whatever waits when it is run, so what comes while there is no primary goes with the first.
 * A repeated entry ends nothing that the first has not ended.
 */
export class EntriesTogether {
  readonly #deps: EntriesDeps;
  readonly #waiting = new Set<Waiting>();
  #running = false;

  constructor(deps: EntriesDeps) {
    this.#deps = deps;
  }

  /**
   * Resolves to the entry's position once it is committed.
   * @throws DB_BUSY; DB_UNAVAILABLE when its time is up before it began, DB_OUTCOME_UNKNOWN when it is after that;
   *   CANCELLED; whatever the transaction throws
   */
  async add(entry: NewRevocation, { deadlineMs = unaskedMs, signal }: CallOptions = {}): Promise<number> {
    const { clock } = this.#deps;
    if (this.#waiting.size >= maxWaiting) throw new SallyportError('DB_BUSY', { retryAfterMs: 1000 });
    const settle = Promise.withResolvers<number>();
    const waiting: Waiting = { entry, until: clock.monotonic() + deadlineMs, settle, begun: false };
    this.#waiting.add(waiting);
    if (!this.#running) void this.#run();
    try {
      const what = 'writing an entry of the revocation feed';
      return await withDeadline(settle.promise, deadlineMs, { what, clock, ...(signal && { signal }) });
    } catch (error) {
      if (signal?.aborted) throw new SallyportError('CANCELLED', { cause: error });
      if (SallyportError.from(error).reason !== 'DEADLINE') throw error;
      if (waiting.begun) throw new SallyportError('DB_OUTCOME_UNKNOWN', { cause: error });
      throw new SallyportError('DB_UNAVAILABLE', { cause: error, retryAfterMs: 1000 });
    } finally {
      this.#waiting.delete(waiting);
    }
  }

  async #run(): Promise<void> {
    this.#running = true;
    while (this.#waiting.size > 0) await this.#together();
    this.#running = false;
  }

  async #together(): Promise<void> {
    const { db, append, clock } = this.#deps;
    const first = [...this.#waiting];
    let taken: readonly Waiting[] = [];
    try {
      const last = await db.tx(
        (trx) => {
          taken = [...this.#waiting].slice(0, maxTogether);
          for (const each of taken) each.begun = true;
          const entries = taken.map(({ entry }) => entry);
          return entries.length > 0 ? append(trx, entries) : Promise.resolve(0);
        },
        { idempotent: true, deadlineMs: Math.max(...first.map(({ until }) => until)) - clock.monotonic() },
      );
      taken.forEach((each, n) => {
        each.settle.resolve(last - (taken.length - 1 - n));
        this.#waiting.delete(each);
      });
    } catch (error) {
      // Who came later has time left; what is no matter of time is the same for all.
      const late = ['DB_UNAVAILABLE', 'DB_OUTCOME_UNKNOWN'].includes(SallyportError.from(error).reason);
      for (const each of late ? new Set([...first, ...taken]) : [...this.#waiting]) {
        each.settle.reject(error);
        this.#waiting.delete(each);
      }
    }
  }
}
