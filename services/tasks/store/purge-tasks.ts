import { type Kysely, sql } from 'kysely';
import { databaseNow } from '#kernel/db/database-now.ts';
import type { ScheduleTables } from '../schedules/tables.ts';
import type { TaskTables } from './tables.ts';

/**
 * Deletes at most `limit` tasks that have ended longer ago, with their journals, work items and reports; what was put aside stays
 * until somebody has looked at it. What is cut off half-way is finished by the next call. Gives how many.
 */
export async function purgeTasks<S extends TaskTables & ScheduleTables>(
  db: Kysely<S>,
  olderThanMs: number,
  limit: number,
): Promise<number> {
  const on = db as unknown as Kysely<TaskTables & ScheduleTables>;
  const { rows } = await sql<{ id: string }>`select id from tasks
    where ended_ms < ${databaseNow} - ${olderThanMs} and state <> 'dead' order by ended_ms limit ${sql.lit(limit)}`.execute(
    on,
  );
  if (rows.length === 0) return 0;
  const ids = rows.map(({ id }) => id);
  await sql`delete from work_candidates where item_id in (select id from work_items where task_id in (${sql.join(ids)}))`.execute(
    on,
  );
  await on.deleteFrom('work_items').where('task_id', 'in', ids).execute();
  await on.deleteFrom('report_pieces').where('task_id', 'in', ids).execute();
  await on.deleteFrom('task_steps').where('task_id', 'in', ids).execute();
  // Last, since the others are found by it.
  await on.deleteFrom('tasks').where('id', 'in', ids).execute();
  return rows.length;
}
