import { execFile } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type RawBuilder, sql } from 'kysely';
import { schema } from '../accounts.ts';
import { includes, parseGtidSet } from '../gtid.ts';
import { type LocalDb, onLocal } from '../local-sql.ts';
import { beginNextEra } from '../next-era.ts';
import { type Manifest, names, type Tables } from './documents.ts';
import { fetchSnapshot, type Source } from './fetch-snapshot.ts';
import { fetchLog, type LogAfter, logAfter } from './log-segment.ts';
import { gtidOf } from './prove.ts';
import { damaged } from './seal.ts';
import { lookAtTables } from './tables.ts';
import { type MysqlTools, playLog, type Throwaway, withThrowaway } from './throwaway.ts';

export interface RestoreOptions {
  readonly tools: MysqlTools;
  /** Is made anew: `data` and `state` are in it in the end. */
  readonly folder: string;
  /** False: the snapshot alone, without the log after it. */
  readonly log: boolean;
  /** Leaves out what was committed from this second on. */
  readonly stopAtMs?: number | undefined;
  /** Gives the era that begins, from the one that the data are of. */
  readonly nextEra: (before: number) => number;
  /** Blocks all devices, until somebody unblocks them: who was revoked in what is missing stays out. */
  readonly blockDevices: boolean;
  /** Brings the data to this release's schema, before the era begins; gives what it has applied. */
  readonly bringUpToDate: (db: LocalDb) => Promise<readonly string[]>;
  readonly progress: (line: string) => void;
  readonly signal: AbortSignal;
}

/** Something that the log has and the restored data have not. */
export interface Missing {
  readonly what: string;
  readonly subject: string;
  readonly atMs: number;
}

export interface RestoredData {
  readonly era: number;
  readonly tables: Tables;
  /** Migrations that an older release's data lacked. */
  readonly migrated: readonly string[];
  /** Devices that were blocked, and by whom they say that they are. */
  readonly blocked: { readonly devices: number; readonly by: string } | undefined;
  /** What was committed before is there. */
  readonly coveredUntilMs: number;
  /** What is known to be left out, because of `stopAtMs`; the first thousand of each kind. */
  readonly missing: readonly Missing[];
}

const noLog: LogAfter = { stretches: [], marks: [], passedOver: [] };

const run = promisify(execFile);
const sqlMs = 600_000;
const migrateMs = 3_600_000;

/**
 * Fetches a snapshot, plays the log, and begins a new era in the data: sessions of earlier ones are void then, and no
 * epoch is given twice. Everything is checked on the way; nothing outside of `folder` is touched.
 * @throws BACKUP_DAMAGED, BACKUP_KEY_WRONG, BACKUP_TARGET, BACKUP_NEWER, RESTORE_FAILED
 */
export async function restoreData(
  source: Source,
  manifest: Manifest,
  o: RestoreOptions,
): Promise<RestoredData> {
  const { tools, folder, stopAtMs, progress, signal } = o;
  await rm(folder, { recursive: true, force: true });
  progress(`fetching ${manifest.id}`);
  await fetchSnapshot(source, manifest, folder, signal);
  const { stretches, marks, passedOver } = o.log ? logAfter(manifest, await source.documents.log()) : noLog;
  for (const name of passedOver) progress(`${name} is damaged; this snapshot does not need it`);
  const files = await fetchLog(source, stretches, join(folder, 'log'));
  const [reached] = marks;
  const data = join(folder, 'data');
  progress(files.length === 0 ? 'opening the data' : 'opening the data and playing the log');
  const { position, ...restored } = await withThrowaway(
    tools,
    data,
    async (server) => {
      await playLog(tools, server, files, stopAtMs);
      const whole = stopAtMs === undefined && reached !== undefined;
      if (whole && !includes(parseGtidSet(await gtidOf(server)), parseGtidSet(reached.gtid)))
        throw damaged(names.stream(reached.stream), 'transactions are missing in it');
      const migrated = await onLocal(server.account, migrateMs, 'bringing it up to date', o.bringUpToDate);
      const begun = await onLocal(server.account, sqlMs, 'beginning a new era', (db) =>
        beginEra(db, o.nextEra),
      );
      const blocked = o.blockDevices
        ? await onLocal(server.account, sqlMs, 'blocking devices', (db) => blockAll(db, begun.era))
        : undefined;
      return { ...begun, migrated, blocked };
    },
    signal,
  );
  const missing =
    stopAtMs === undefined || files.length === 0
      ? []
      : await whatIsLater(o, { data, files, stopAtMs, position });
  await rm(join(folder, 'log'), { recursive: true, force: true });
  const covered = reached?.readAtMs ?? manifest.takenAtMs;
  return { ...restored, coveredUntilMs: Math.min(covered, stopAtMs ?? covered), missing };
}

async function beginEra(
  db: LocalDb,
  nextEra: RestoreOptions['nextEra'],
): Promise<{ era: number; position: number; tables: Tables }> {
  const tables = await lookAtTables(db);
  if (tables.era === undefined) return { era: nextEra(0), position: 0, tables };
  const { rows } = await sql<{ position: number }>`
    select position from ${table('feed_counter')} where id = 1`.execute(db);
  return { era: await beginNextEra(db, nextEra), position: Number(rows[0]?.position ?? 0), tables };
}

async function blockAll(db: LocalDb, era: number): Promise<NonNullable<RestoredData['blocked']>> {
  const by = `restore/era-${era}`;
  const { numAffectedRows = 0n } = await sql`update ${table('shared_keys')}
    set blocked_ms = cast(unix_timestamp(now(3)) * 1000 as signed), blocked_by = ${by}
    where revoked_ms is null and blocked_ms is null`.execute(db);
  return { devices: Number(numAffectedRows), by };
}

const table = (name: string): RawBuilder<unknown> => sql.id(schema, name);

/** Plays the whole log into a copy, to be able to tell what the restored data will lack. */
async function whatIsLater(
  { tools, folder, progress, signal }: RestoreOptions,
  at: { data: string; files: readonly string[]; stopAtMs: number; position: number },
): Promise<Missing[]> {
  progress('looking at what came later');
  const copy = join(folder, 'later');
  await run('cp', ['-a', '--sparse=always', '--reflink=auto', at.data, copy]);
  const look = async (server: Throwaway): Promise<Missing[]> => {
    await playLog(tools, server, at.files);
    return onLocal(server.account, sqlMs, 'looking at what came later', (db) => laterRows(db, at));
  };
  try {
    return await withThrowaway(tools, copy, look, signal);
  } finally {
    await rm(copy, { recursive: true, force: true });
  }
}

async function laterRows(db: LocalDb, at: { stopAtMs: number; position: number }): Promise<Missing[]> {
  const there = await lookAtNames(db);
  const kinds: readonly (readonly [name: string, what: string, query: RawBuilder<Row>])[] = [
    [
      'revocations',
      'revocation',
      sql`select concat(kind, ' ', subject) as subject, committed_ms as at
        from ${table('revocations')} where position > ${at.position} order by position limit 1000`,
    ],
    [
      'shared_keys',
      'enrolment',
      sql`select concat(user, ' ', device_id) as subject, created_ms as at
        from ${table('shared_keys')} where created_ms >= ${at.stopAtMs} order by created_ms limit 1000`,
    ],
    [
      'users',
      'change of a user',
      sql`select name as subject, updated_ms as at
        from ${table('users')} where updated_ms >= ${at.stopAtMs} order by updated_ms limit 1000`,
    ],
    [
      'policies',
      'policy',
      sql`select concat('version ', version) as subject, created_ms as at
        from ${table('policies')} where created_ms >= ${at.stopAtMs} order by version limit 1000`,
    ],
  ];
  const missing: Missing[] = [];
  for (const [name, what, query] of kinds) {
    if (!there.has(name)) continue;
    const { rows } = await query.execute(db);
    missing.push(...rows.map((row) => ({ what, subject: row.subject, atMs: Number(row.at) })));
  }
  return missing.sort((a, b) => a.atMs - b.atMs);
}

interface Row {
  readonly subject: string;
  readonly at: number;
}

async function lookAtNames(db: LocalDb): Promise<Set<string>> {
  const { rows } = await sql<{ name: string }>`
    select table_name as name from information_schema.tables where table_schema = ${schema}`.execute(db);
  return new Set(rows.map(({ name }) => name));
}
