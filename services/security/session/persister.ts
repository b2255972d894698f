import { SallyportError } from '#core/errors/error.ts';
import { type Batcher, batcher } from '#kernel/db/batcher.ts';
import type { Logger } from '#kernel/log/logger.ts';
import { type Backoff, backoff } from '#kernel/time/backoff.ts';
import type { Clock } from '#kernel/time/clock.ts';
import { handleOf, type SessionRecord } from './record.ts';
import type { Inserted, SessionStore } from './session-store.ts';

export interface PersisterDeps {
  readonly store: SessionStore;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Logger;
  /** The database has confirmed this version of the record. */
  readonly onStored: (record: SessionRecord) => void;
  /** Milliseconds for which a request waits for the database; default 200, and less while that is slow. */
  readonly patienceMs?: number;
  /** Records that may wait to be written behind; default 50,000. */
  readonly maxBehind?: number;
}

/** What a request is told about its record: confirmed, to be written behind, or refused as a duplicate. */
export type Persisted = Inserted | 'behind';

/** Milliseconds for which a request waits when the database has just been too slow for another, and for how long that counts. */
const patienceWhenSlowMs = 40;
const slowForMs = 2000;
/** Records in one batch of the queue. */
const batchSize = 50;

/**
 * Stores records within the request that made them, sharing transactions. When the database cannot commit
 * in time the request goes on, and the record is tried again until it is stored.
 */
export class Persister {
  readonly #deps: PersisterDeps;
  readonly #inserts: Batcher<SessionRecord, Inserted>;
  readonly #updates: Batcher<SessionRecord, undefined>;
  /** The newest version of each record that has not been stored, by handle. */
  readonly #behind = new Map<string, SessionRecord>();
  readonly #pause: Backoff;
  #draining: Promise<void> | undefined;
  #slowUntil = Number.NEGATIVE_INFINITY;
  #closed = new AbortController();

  constructor(deps: PersisterDeps) {
    const { store, clock } = deps;
    this.#deps = deps;
    this.#pause = backoff({ baseMs: 100, capMs: 2000 }, deps.random);
    this.#inserts = batcher((records) => store.insert(records), { maxRows: batchSize, clock });
    this.#updates = batcher(
      async (records) => {
        await store.update(records);
        return records.map(() => undefined);
      },
      { maxRows: batchSize, clock },
    );
  }

  /** Records that the database has not confirmed. */
  get behind(): ReadonlyMap<string, SessionRecord> {
    return this.#behind;
  }

  /** @throws OVERLOADED when too many records wait to be written already; nothing was taken then */
  insert(record: SessionRecord): Promise<Persisted> {
    return this.#write(record, () => this.#inserts.add(record));
  }

  /** @throws OVERLOADED */
  async update(record: SessionRecord): Promise<void> {
    // One that has not been inserted yet cannot be updated: its newest version goes instead.
    if (this.#behind.has(handleOf(record.id))) this.writeBehind(record);
    else {
      await this.#write(record, async () => {
        await this.#updates.add(record);
        return 'stored';
      });
    }
  }

  /** Sees to it that the record is stored some time. */
  writeBehind(record: SessionRecord): void {
    const handle = handleOf(record.id);
    const known = this.#behind.get(handle);
    if (known === undefined || known.version < record.version) this.#behind.set(handle, record);
    if (this.#closed.signal.aborted) return;
    this.#draining ??= this.#drain().finally(() => {
      this.#draining = undefined;
    });
  }

  /** Nobody is to know this session, so it need not be stored either. */
  forget(record: SessionRecord): void {
    this.#behind.delete(handleOf(record.id));
  }

  /** Writes what is under way and waits for it; what is behind then is in {@link behind}. */
  async close(): Promise<void> {
    this.#closed.abort(new SallyportError('UNAVAILABLE'));
    await Promise.all([this.#inserts.close(), this.#updates.close(), this.#draining]);
  }

  async #write(record: SessionRecord, write: () => Promise<Inserted>): Promise<Persisted> {
    const { clock, log, onStored, patienceMs = 200, maxBehind = 50_000 } = this.#deps;
    if (this.#behind.size >= maxBehind) {
      throw new SallyportError('OVERLOADED', {
        message: 'too many sessions wait for the database already',
        retryAfterMs: 1000,
      });
    }
    const late = new AbortController();
    let isLate = false;
    const written = write().then(
      (inserted) => {
        late.abort();
        if (inserted === 'stored') onStored(record);
        else if (isLate) this.writeBehind({ ...record, openHash: undefined });
        return inserted;
      },
      (error): Persisted => {
        late.abort();
        log.warn({ err: error, session: record.routeKey }, 'a session is written behind');
        this.writeBehind(record);
        return 'behind';
      },
    );
    const isSlow = clock.monotonic() < this.#slowUntil;
    const waitMs = isSlow ? Math.min(patienceWhenSlowMs, patienceMs) : patienceMs;
    const patience = clock.sleep(waitMs, late.signal).then(
      (): Persisted => {
        isLate = true;
        this.#slowUntil = clock.monotonic() + slowForMs;
        return 'behind';
      },
      // The write came first.
      () => written,
    );
    return Promise.race([written, patience]);
  }

  async #drain(): Promise<void> {
    const { store, clock, log, onStored } = this.#deps;
    while (this.#behind.size > 0 && !this.#closed.signal.aborted) {
      const batch = [...this.#behind.values()].slice(0, batchSize);
      try {
        const inserted = await store.insert(batch);
        await store.update(batch.filter((record) => record.version > 1));
        this.#pause.reset();
        batch.forEach((record, n) => {
          const handle = handleOf(record.id);
          if (inserted[n] === 'opened-twice') {
            // The device has this answer, too; only the other one can be found by the message again.
            this.#behind.set(handle, { ...record, openHash: undefined });
          } else if (this.#behind.get(handle) === record) {
            this.#behind.delete(handle);
            onStored(record);
          }
        });
        if (this.#behind.size === 0) log.info('all sessions are in the database again');
      } catch (error) {
        log.warn({ err: error, behind: this.#behind.size }, 'sessions wait for the database');
        await clock.sleep(this.#pause.next(), this.#closed.signal).catch(ifClosed);
      }
    }
  }
}

/** Closing ends the pause; the loop sees it. */
const ifClosed = (): undefined => undefined;
