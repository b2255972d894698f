import { type Kysely, sql } from 'kysely';
import { databaseNow } from '#kernel/db/database-now.ts';
import type { Db } from '#kernel/db/db.ts';
import { isDuplicate } from '#kernel/db/failures.ts';
import type { SoonReads } from '#kernel/db/read-soon.ts';
import type { SecurityTables } from '../store/tables.ts';
import type { SessionRow } from '../store/tables-sessions.ts';
import type { SessionRecord } from './record.ts';
import { openRecord, type RecordKeys, sealRecord } from './seal-record.ts';
import { infoOf, type SessionInfoRow } from './session-info.ts';
import type { SessionPage, SessionStore } from './session-store.ts';

/** Milliseconds for a batch of writes; whoever cannot wait so long writes behind. */
const writeMs = 5000;

export function mysqlSessionStore(
  db: Pick<Db<SecurityTables>, 'tx' | 'read'>,
  replica: Pick<Db<SecurityTables>, 'read'> & SoonReads<SecurityTables>,
  keys: RecordKeys,
): SessionStore {
  const open = async (row: Pick<SessionRow, 'handle' | 'sealed' | 'last_seen_ms'> | undefined) => {
    if (row === undefined) return undefined;
    const record = await openRecord(keys, row.handle, row.sealed, false);
    return { ...record, lastSeenMs: Math.max(record.lastSeenMs, row.last_seen_ms) };
  };
  return {
    insert: async (records) => {
      const rows = records.map((record) => rowOf(keys, record));
      try {
        // One statement, committed by itself: BEGIN and COMMIT would be two more round trips of every login. Run again
        // after an ambiguous failure it finds its own rows, which are then looked at below.
        await db.read((on) => on.insertInto('sessions').values(rows).execute(), { deadlineMs: writeMs });
        return records.map(() => 'stored');
      } catch (error) {
        if (!isDuplicate(error)) throw error;
      }
      return db.tx(
        async (trx) => {
          // No update at all on a duplicate, be it of the handle (stored by an earlier run) or of the open_hash.
          await trx
            .insertInto('sessions')
            .values(rows)
            .onDuplicateKeyUpdate({ handle: sql`handle` })
            .execute();
          const there = await trx
            .selectFrom('sessions')
            .select('handle')
            .where(
              'handle',
              'in',
              rows.map((row) => row.handle),
            )
            .execute();
          const stored = new Set(there.map((row) => row.handle));
          return rows.map((row) => (stored.has(row.handle) ? 'stored' : 'opened-twice'));
        },
        { idempotent: true, deadlineMs: writeMs },
      );
    },

    update: async (records) => {
      await db.tx(
        async (trx) => {
          for (const record of records) {
            const { handle, sealed, version, expires_ms } = rowOf(keys, record);
            await trx
              .updateTable('sessions')
              .set({ sealed, version, expires_ms })
              .where('handle', '=', handle)
              .where('version', '<', version)
              .execute();
          }
        },
        { idempotent: true, deadlineMs: writeMs },
      );
    },

    load: async (handle, deadlineMs) =>
      open(
        await replica.readSoon(
          (on) =>
            on
              .selectFrom('sessions')
              .select(['handle', 'sealed', 'last_seen_ms'])
              .where('handle', '=', handle)
              .executeTakeFirst(),
          // While the group finds out who has died (ADR 0005).
          { deadlineMs, good: (row) => row !== undefined },
        ),
      ),

    findOpened: async (openHash, deadlineMs) =>
      open(
        await replica.read(
          (on) =>
            on
              .selectFrom('sessions')
              .select(['handle', 'sealed', 'last_seen_ms'])
              .where('open_hash', '=', Buffer.from(openHash))
              .executeTakeFirst(),
          { deadlineMs },
        ),
      ),

    saveLastSeen: async (seen) => {
      if (seen.size === 0) return;
      const cases = sql.join(
        [...seen].map(([handle, ms]) => sql`when ${handle} then ${ms}`),
        sql` `,
      );
      await db.tx(
        (trx) =>
          sql`update sessions set last_seen_ms = greatest(last_seen_ms, case handle ${cases} end)
          where handle in (${sql.join([...seen.keys()])})`.execute(trx),
        { idempotent: true, deadlineMs: writeMs },
      );
    },

    list: async (page) => (await replica.read((on) => pageOf(on, page))).map(rowInfo),

    info: async (handle) => {
      const row = await replica.read((on) =>
        on.selectFrom('sessions').select(shown).where('handle', '=', handle).executeTakeFirst(),
      );
      return row && rowInfo(row);
    },
  };
}

const shown = [
  'handle',
  'route_key',
  'user',
  'device_id',
  'groups_json',
  'app_id',
  'app_version',
  'platform',
  'feed_position',
  'era',
  'opened_ms',
  'expires_ms',
  'last_seen_ms',
  'ended_ms',
] as const;
type Shown = Pick<SessionRow, (typeof shown)[number]>;

function pageOf(on: Kysely<SecurityTables>, page: SessionPage): Promise<Shown[]> {
  const { user, deviceId, after } = page;
  let query = on.selectFrom('sessions').select(shown);
  if (user !== undefined) query = query.where('user', '=', user);
  if (deviceId !== undefined) query = query.where('device_id', '=', deviceId);
  if (page.liveOnly) query = query.where('ended_ms', 'is', null).where('expires_ms', '>', databaseNow);
  if (after !== undefined) {
    query = query.where((e) =>
      e.or([
        e('opened_ms', '<', after.openedAtMs),
        e.and([e('opened_ms', '=', after.openedAtMs), e('handle', '<', after.handle)]),
      ]),
    );
  }
  return query.orderBy('opened_ms', 'desc').orderBy('handle', 'desc').limit(page.limit).execute();
}

function rowInfo(row: Shown): SessionInfoRow {
  const groups: unknown = JSON.parse(row.groups_json);
  return {
    handle: row.handle,
    routeKey: row.route_key,
    user: row.user,
    deviceId: row.device_id,
    groups: Array.isArray(groups) ? groups.map(String) : [],
    appId: row.app_id,
    appVersion: row.app_version,
    platform: row.platform,
    feedPosition: row.feed_position,
    era: row.era,
    openedAtMs: row.opened_ms,
    expiresAtMs: row.expires_ms,
    lastSeenMs: row.last_seen_ms,
    endedAtMs: row.ended_ms ?? undefined,
  };
}

function rowOf(keys: RecordKeys, record: SessionRecord): SessionRow {
  const info = infoOf(record);
  return {
    handle: info.handle,
    route_key: info.routeKey,
    user: info.user,
    device_id: info.deviceId,
    kind: record.kind,
    app_id: info.appId,
    app_version: info.appVersion,
    platform: info.platform,
    groups_json: JSON.stringify(info.groups),
    era: record.era,
    sealed: Buffer.from(sealRecord(keys, record)),
    version: record.version,
    feed_position: record.feedPosition,
    open_hash: record.openHash ? Buffer.from(record.openHash) : null,
    opened_ms: record.openedAtMs,
    expires_ms: record.expiresAtMs,
    last_seen_ms: record.lastSeenMs,
    ended_ms: null,
  };
}
