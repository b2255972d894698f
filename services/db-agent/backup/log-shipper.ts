import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { sql } from 'kysely';
import { mysqlNumber } from '#kernel/db/failures.ts';
import type { Clock } from '#kernel/time/clock.ts';
import { schema } from '../accounts.ts';
import { includes, parseGtidSet } from '../gtid.ts';
import { type LocalAccount, type LocalDb, onLocal } from '../local-sql.ts';
import { type Documents, type Mark, names } from './documents.ts';
import { firstCommitBeyond } from './first-commit.ts';
import { sealSegment } from './log-segment.ts';
import { type BackupKey, type DataKey, newDataKey } from './seal.ts';
import type { BackupStore } from './store.ts';

export interface LogShipperOptions {
  readonly store: BackupStore;
  readonly documents: Documents;
  readonly key: BackupKey;
  readonly account: LocalAccount;
  readonly dataDir: string;
  readonly pod: string;
  readonly stream: string;
  readonly clock: Clock;
  readonly mysqlbinlog: string;
  /** Unix milliseconds. What was committed while nobody wanted backups is no loss of theirs. */
  readonly scheduledAtMs: number;
}

/** Bytes of a segment at most. */
const segmentBytes = 16 * 2 ** 20;
const sqlMs = 30_000;
const noSuchTable = 1146;

interface LogStatus {
  readonly file: string;
  readonly position: number;
  readonly gtid: string;
}

/**
 * Brings the node's binary log into the store, as it grows. Every node of the group logs all of the group's
 * transactions, under the same GTIDs; what two nodes have brought twice is played once.
 */
export class LogShipper {
  readonly #o: LogShipperOptions;
  readonly #dataKey: DataKey;
  /** The first segment that is still kept; whoever removes earlier ones says so first. */
  first = 0;
  readonly #firstSeq = new Map<string, number>();
  #file: string | undefined;
  #offset = 0;
  #seq = 0;
  #mark: Omit<Mark, 'keyId'> | undefined;
  /** When the first transaction was committed that no node had brought when this one began. */
  #unstoredSinceMs: number | undefined;
  #feedPosition: number | undefined;
  #shipping: Promise<void> = Promise.resolve();

  constructor(options: LogShipperOptions) {
    this.#o = options;
    this.#dataKey = newDataKey(options.key);
  }

  /** How far the store has it; undefined before the first time. */
  get mark(): Omit<Mark, 'keyId'> | undefined {
    return this.#mark;
  }

  /** Brings what has been committed by now; calls wait for one another. @throws BACKUP_TARGET, what MySQL says */
  ship(): Promise<void> {
    const next = this.#shipping.catch(() => undefined).then(() => this.#round());
    this.#shipping = next;
    return next;
  }

  /** Somebody was revoked since the last look: that is not to wait, lest a restore trusts them again. */
  async hasRevocations(): Promise<boolean> {
    return (await this.#on('the revocation feed', feedPosition)) !== this.#feedPosition;
  }

  /** Begins a new file of the log, so that what is restored needs nothing before it; gives its first segment's number. */
  async rotate(): Promise<number> {
    await this.#on('a new binary log', (db) => sql`flush binary logs`.execute(db));
    const { file } = await this.#on('the place in the log', logStatus);
    await this.ship();
    return this.#firstSeq.get(file) ?? this.#seq;
  }

  async #round(): Promise<void> {
    const { clock, documents, stream, pod } = this.#o;
    const readAtMs = clock.now();
    this.#feedPosition = await this.#on('the revocation feed', feedPosition);
    const now = await this.#on('the place in the log', logStatus);
    if (this.#file === undefined) await this.#begin(now);
    for (const file of await this.#filesUpTo(now)) {
      if (file.name !== this.#file) {
        this.#file = file.name;
        this.#offset = 0;
      }
      while (this.#offset < file.end)
        await this.#send(file.name, Math.min(file.end, this.#offset + segmentBytes));
    }
    // Until this is stored, all since the look before could still be lost; at first, all since others brought theirs.
    const before = this.#mark?.readAtMs ?? this.#unstoredSinceMs;
    const loss = before === undefined ? 0 : clock.now() - before;
    const worstLossMs = Math.max(this.#mark?.worstLossMs ?? 0, loss);
    const mark = { stream, pod, first: this.first, seq: this.#seq, readAtMs, gtid: now.gtid, worstLossMs };
    await documents.putMark(mark);
    this.#mark = mark;
  }

  /** The newest file that begins before all that the store does not have yet. */
  async #begin(now: LogStatus): Promise<void> {
    this.#file = now.file;
    const covered = await this.#covered();
    if (covered === undefined) return;
    const has = parseGtidSet(covered.gtid);
    const files = await this.#on('the list of logs', listLogs);
    await this.#beginAt(files, has);
    await this.#measureGap(files, covered);
  }

  async #beginAt(files: readonly { name: string }[], has: ReturnType<typeof parseGtidSet>): Promise<void> {
    for (const { name } of files.toReversed()) {
      this.#file = name;
      const { rows } = await this.#on('the beginning of a log', (db) =>
        sql<{ Event_type: string; Info: string }>`show binlog events in ${name} limit 3`.execute(db),
      );
      const previous = rows.find(({ Event_type }) => Event_type === 'Previous_gtids')?.Info ?? '';
      if (includes(has, parseGtidSet(previous))) return;
    }
  }

  async #measureGap(files: readonly { name: string }[], { gtid }: Mark): Promise<void> {
    const { mysqlbinlog, dataDir, scheduledAtMs } = this.#o;
    const from = files.findIndex(({ name }) => name === this.#file);
    const paths = files.slice(from).map(({ name }) => join(dataDir, name));
    const first = await firstCommitBeyond(mysqlbinlog, paths, gtid);
    if (first !== undefined) this.#unstoredSinceMs = Math.max(first, scheduledAtMs);
  }

  /** How far others have brought it; marks that are damaged do not count, so that it brings rather more. */
  async #covered(): Promise<Mark | undefined> {
    const { marks } = await this.#o.documents.log();
    return marks.toSorted((a, b) => b.readAtMs - a.readAtMs)[0];
  }

  async #filesUpTo(now: LogStatus): Promise<{ name: string; end: number }[]> {
    if (now.file === this.#file) return [{ name: now.file, end: now.position }];
    const files = await this.#on('the list of logs', listLogs);
    const from = files.findIndex(({ name }) => name === this.#file);
    const to = files.findIndex(({ name }) => name === now.file);
    return files
      .slice(Math.max(0, from), to + 1)
      .map(({ name, size }) => ({ name, end: name === now.file ? now.position : size }));
  }

  async #send(file: string, end: number): Promise<void> {
    const { store, stream, dataDir, key } = this.#o;
    const bytes = Buffer.alloc(end - this.#offset);
    const handle = await open(join(dataDir, file));
    try {
      await handle.read(bytes, 0, bytes.length, this.#offset);
    } finally {
      await handle.close();
    }
    const seq = this.#seq;
    const header = {
      keyId: key.id,
      stream,
      seq,
      file,
      from: this.#offset,
      wrappedKey: this.#dataKey.wrapped,
    };
    await store.put(names.segment(stream, seq), sealSegment(this.#dataKey.key, header, bytes));
    if (this.#offset === 0) this.#firstSeq.set(file, seq);
    this.#seq += 1;
    this.#offset = end;
  }

  #on<T>(what: string, work: (db: LocalDb) => Promise<T>): Promise<T> {
    return onLocal(this.#o.account, sqlMs, what, work);
  }
}

/** Where the node's log ends, and what it holds by then. */
export async function logStatus(db: LocalDb): Promise<LogStatus> {
  const { rows } = await sql<{ File: string; Position: number; Executed_Gtid_Set: string }>`
    show binary log status`.execute(db);
  const [row] = rows;
  if (row === undefined) throw new Error('the node writes no binary log');
  return { file: row.File, position: Number(row.Position), gtid: row.Executed_Gtid_Set.replace(/\s/g, '') };
}

/** Undefined before the security tier's first start. */
async function feedPosition(db: LocalDb): Promise<number | undefined> {
  try {
    const { rows } = await sql<{ position: number }>`
      select position from ${sql.id(schema, 'feed_counter')} where id = 1`.execute(db);
    return rows[0] && Number(rows[0].position);
  } catch (error) {
    if (mysqlNumber(error) === noSuchTable) return undefined;
    throw error;
  }
}

async function listLogs(db: LocalDb): Promise<{ name: string; size: number }[]> {
  const { rows } = await sql<{ Log_name: string; File_size: number }>`show binary logs`.execute(db);
  return rows.map((row) => ({ name: row.Log_name, size: Number(row.File_size) }));
}
