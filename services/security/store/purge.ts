import { type Kysely, sql } from 'kysely';
import { databaseNow } from '#kernel/db/database-now.ts';
import type { Db } from '#kernel/db/db.ts';
import { purgeKeys } from '#kernel/db/idempotency.ts';
import { purgeTasks } from '#services/tasks/store/purge-tasks.ts';
import type { SecurityTables } from './tables.ts';

const dayMs = 86_400_000;
/** Rows of one table that one call deletes: a long transaction would hold up all others. */
const limit = 1000;

/**
 * Deletes what nobody asks for any more: sessions a day after their end, revocations a day after the last
 * session they could concern, pods that have been gone for an hour, idempotency keys and synchronisations after a week,
 * tasks 90 days after their end, recorded decisions after two weeks or when there are more than 50,000.
 */
export async function purge(db: Pick<Db<SecurityTables>, 'read'>, keepMs: number): Promise<void> {
  await db.read(async (on) => {
    await sql`delete from sessions where expires_ms < ${databaseNow} - ${dayMs} limit ${sql.lit(limit)}`.execute(
      on,
    );
    await sql`delete from revocations where committed_ms < ${databaseNow} - ${keepMs + dayMs}
      order by position limit ${sql.lit(limit)}`.execute(on);
    await sql`delete from members where heartbeat_ms < ${databaseNow} - ${dayMs / 24}
      limit ${sql.lit(limit)}`.execute(on);
    await sql`delete from sync_runs where state = 'ended' and created_ms < ${databaseNow} - ${7 * dayMs}
      limit ${sql.lit(limit)}`.execute(on);
    await purgeKeys(on, 7 * dayMs, limit);
    await purgeTasks(on, 90 * dayMs, limit);
    await purgeDecisions(on);
  });
}

const maxDecisions = 50_000;
/** Pods write at most 3,000 in the time between two calls, each. */
const decisionBatches = 5;

async function purgeDecisions(on: Kysely<SecurityTables>): Promise<void> {
  for (let batch = 0; batch < decisionBatches; batch++) {
    const kept = await sql<{ n: number }>`select count(*) as n from recorded_decisions`.execute(on);
    const over = Math.min(limit, Math.max(0, Number(kept.rows[0]?.n ?? 0) - maxDecisions));
    if (over > 0) {
      await sql`delete from recorded_decisions order by at_ms limit ${sql.lit(over)}`.execute(on);
    }
    const old = await sql`delete from recorded_decisions where at_ms < ${databaseNow} - ${14 * dayMs}
      order by at_ms limit ${sql.lit(limit)}`.execute(on);
    if (over < limit && Number(old.numAffectedRows ?? 0) < limit) return;
  }
}
