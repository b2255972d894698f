import { type Kysely, sql } from 'kysely';
import { SallyportError } from '#core/errors/error.ts';
import { databaseNow } from '#kernel/db/database-now.ts';
import type { Db } from '#kernel/db/db.ts';
import type { Clock } from '#kernel/time/clock.ts';
import type { SecurityTables } from '../store/tables.ts';
import type { RevocationRow, SessionTables } from '../store/tables-sessions.ts';
import { EntriesTogether } from './entries-together.ts';
import type { FeedTransaction, NewRevocation, Revocation, RevocationKind } from './feed.ts';
import type { FeedNews, FeedSource } from './feed-source.ts';

/** Entries in one look. */
const pageSize = 1000;
/** Milliseconds for one look at a secondary, then for one at the primary. */
const lookMs = 2000;

export function mysqlFeedSource(
  db: Pick<Db<SecurityTables>, 'tx' | 'read'>,
  replica: Pick<Db<SecurityTables>, 'read'>,
  clock: Clock,
): FeedSource {
  const together = new EntriesTogether({ db, append, clock });
  /**
   * Any member will do; when none can be had that way, the primary itself. Ahead of whatever else waits for the
   * database: a pod that cannot read the feed answers nobody.
   */
  const look = async <T>(fn: (on: Kysely<SessionTables>) => Promise<T>): Promise<T> => {
    try {
      return await replica.read(fn, { deadlineMs: lookMs, urgent: true });
    } catch (error) {
      if (SallyportError.from(error).status !== 'UNAVAILABLE') throw error;
      return db.read(fn, { deadlineMs: lookMs, urgent: true });
    }
  };
  return {
    first: (keepMs) =>
      look(async (on) => {
        // The position first: what is committed meanwhile is read by the next look.
        const head = await readHead(on);
        const rows = await on
          .selectFrom('revocations')
          .selectAll()
          .where('position', '<=', head.position)
          .where('committed_ms', '>', head.nowMs - keepMs)
          .orderBy('position')
          .execute();
        return { ...head, entries: rows.map(entryOf), more: false, members: await readMembers(on) };
      }),
    since: (position) =>
      look(async (on) => {
        const head = await readHead(on);
        const rows = await on
          .selectFrom('revocations')
          .selectAll()
          .where('position', '>', position)
          .orderBy('position')
          .limit(pageSize)
          .execute();
        const entries = rows.map(entryOf);
        return {
          ...head,
          entries,
          position: entries.at(-1)?.position ?? position,
          more: entries.length === pageSize,
          members: await readMembers(on),
        };
      }),
    append: (entry, tx, held) => (tx === undefined ? together.add(entry, held) : append(tx, [entry])),
    appendAll: (entries, tx) => append(tx, entries),
  };
}

async function readHead(
  on: Kysely<SessionTables>,
): Promise<Pick<FeedNews, 'nowMs' | 'era' | 'position' | 'policyVersion'>> {
  const { rows } = await sql<{ now_ms: number; era: number; position: number; policy: number | null }>`
    select ${databaseNow} as now_ms, (select era from era where id = 1) as era,
      (select position from feed_counter where id = 1) as position,
      (select max(version) from policies) as policy`.execute(on);
  const [row] = rows;
  if (row === undefined) throw new SallyportError('INTERNAL', { message: 'the database said nothing' });
  return {
    nowMs: Number(row.now_ms),
    era: Number(row.era),
    position: Number(row.position),
    policyVersion: Number(row.policy ?? 0),
  };
}

async function readMembers(on: Kysely<SessionTables>): Promise<FeedNews['members']> {
  const rows = await on.selectFrom('members').selectAll().execute();
  return rows.map((row) => ({
    pod: row.pod,
    incarnation: row.incarnation,
    heartbeatMs: row.heartbeat_ms,
    state: row.state,
    feedPosition: row.feed_position,
  }));
}

async function append(trx: FeedTransaction, entries: readonly NewRevocation[]): Promise<number> {
  const counter = await trx
    .selectFrom('feed_counter')
    .select('position')
    .where('id', '=', 1)
    .forUpdate()
    .executeTakeFirstOrThrow();
  const position = counter.position + entries.length;
  await trx.updateTable('feed_counter').set({ position }).where('id', '=', 1).execute();
  const rows = entries.map(
    ({ kind, subject, reason }, n) =>
      sql`(${counter.position + 1 + n}, ${kind}, ${subject}, ${reason.slice(0, 256)}, ${databaseNow})`,
  );
  await sql`insert into revocations (position, kind, subject, reason, committed_ms) values
    ${sql.join(rows)}`.execute(trx);
  for (const { kind, subject } of entries) {
    if (kind !== 'session') continue;
    await sql`update sessions set ended_ms = ${databaseNow}
      where handle = ${subject} and ended_ms is null`.execute(trx);
  }
  return position;
}

const kinds: Readonly<Record<string, RevocationKind>> = {
  session: 'session',
  device: 'device',
  user: 'user',
  'shared-key': 'shared-key',
  groups: 'groups',
  everybody: 'everybody',
};

function entryOf(row: RevocationRow): Revocation {
  // A kind that a newer release has brought may end anything as far as this one can tell.
  const kind = kinds[row.kind] ?? 'everybody';
  return {
    position: row.position,
    kind,
    subject: row.subject,
    reason: row.reason,
    committedAtMs: row.committed_ms,
  };
}
