import { SallyportError } from '#core/errors/error.ts';
import { handleOf, type SessionRecord } from './record.ts';
import { infoOf } from './session-info.ts';
import type { SessionStore } from './session-store.ts';

/** A database of sessions in memory, shared by as many pods as a test wants, with its faults. */
export class MemorySessionStore implements SessionStore {
  readonly rows = new Map<string, SessionRecord>();
  loads = 0;
  inserts = 0;
  /** Writes fail: the primary is being replaced. */
  noPrimary = false;
  /** Reads fail, too. */
  down = false;
  /** Holds back every write until it resolves. */
  writesWaitFor: Promise<void> = Promise.resolve();
  /** Holds back every look-up until it resolves: no majority. */
  readsWaitFor: Promise<void> | undefined;

  async insert(records: readonly SessionRecord[]) {
    this.inserts += 1;
    await this.#write();
    return records.map((record) => {
      const handle = handleOf(record.id);
      if (this.rows.has(handle)) return 'stored' as const;
      if (record.openHash !== undefined && this.#opened(record.openHash)) return 'opened-twice' as const;
      this.rows.set(handle, { ...record, writtenBehind: false });
      return 'stored' as const;
    });
  }

  async update(records: readonly SessionRecord[]): Promise<void> {
    await this.#write();
    for (const record of records) {
      const held = this.rows.get(handleOf(record.id));
      if (held && held.version < record.version) {
        this.rows.set(handleOf(record.id), { ...record, writtenBehind: false });
      }
    }
  }

  async load(handle: string): Promise<SessionRecord | undefined> {
    this.loads += 1;
    if (this.readsWaitFor !== undefined) await this.readsWaitFor;
    if (this.down) throw unavailable();
    return this.rows.get(handle);
  }

  findOpened(openHash: Uint8Array): Promise<SessionRecord | undefined> {
    return this.down ? Promise.reject(unavailable()) : Promise.resolve(this.#opened(openHash));
  }

  async saveLastSeen(seen: ReadonlyMap<string, number>): Promise<void> {
    await this.#write();
    for (const [handle, lastSeenMs] of seen) {
      const held = this.rows.get(handle);
      if (held) this.rows.set(handle, { ...held, lastSeenMs });
    }
  }

  list() {
    return Promise.resolve([...this.rows.values()].map(infoOf));
  }

  info(handle: string) {
    const record = this.rows.get(handle);
    return Promise.resolve(record && infoOf(record));
  }

  async #write(): Promise<void> {
    await this.writesWaitFor;
    if (this.noPrimary || this.down) throw unavailable();
  }

  #opened(hash: Uint8Array): SessionRecord | undefined {
    return [...this.rows.values()].find((row) => row.openHash && Buffer.from(row.openHash).equals(hash));
  }
}

const unavailable = () => new SallyportError('DB_UNAVAILABLE', { retryAfterMs: 1000 });
