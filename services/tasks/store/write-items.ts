import { type Kysely, sql } from 'kysely';
import { databaseNow } from '#kernel/db/database-now.ts';
import { itemId } from './ids.ts';
import type { TaskTables } from './tables.ts';
import type { NewItem } from './task-store.ts';

type Trx = Kysely<TaskTables>;

/** One that is there stays as it is. */
export async function insertItem(
  trx: Trx,
  at: { readonly taskId: string; readonly step: string; readonly dueMs: number | undefined },
  item: NewItem,
): Promise<void> {
  const { form, escalate } = item;
  const id = itemId(at.taskId, at.step);
  await sql`insert ignore into work_forms (id, type, descriptor_set)
    values (${form.id}, ${form.type}, ${Buffer.from(form.descriptorSet)})`.execute(trx);
  await sql`insert ignore into work_items (id, task_id, step, title, details_json, form_id, form_type, except_json, state,
      draft_version, escalate_ms, escalate_json, escalated, due_ms, created_ms)
    values (${id}, ${at.taskId}, ${at.step}, ${item.title}, ${JSON.stringify(item.details)}, ${form.id}, ${form.type},
      ${JSON.stringify(item.except)}, 'open', 0, ${escalate?.atMs ?? null},
      ${escalate === undefined ? null : JSON.stringify(escalate.candidates)}, 0, ${at.dueMs ?? null}, ${databaseNow})`.execute(
    trx,
  );
  await addCandidates(trx, id, item.candidates);
}

export async function addCandidates(trx: Trx, id: string, candidates: readonly string[]): Promise<void> {
  const rows = candidates.map((each) => sql`(${each}, ${id})`);
  await sql`insert ignore into work_candidates (candidate, item_id) values ${sql.join(rows)}`.execute(trx);
}

/** Nobody is asked any more. Whoever calls it holds the locks of the tasks. */
export async function endItems(
  trx: Trx,
  state: 'expired' | 'withdrawn',
  tasks: readonly string[],
  step?: string,
): Promise<void> {
  if (tasks.length === 0) return;
  await trx
    .updateTable('work_items')
    .set({ state, escalate_ms: null, ended_ms: databaseNow })
    .where('task_id', 'in', tasks)
    .where('state', '=', 'open')
    .$if(step !== undefined, (q) => q.where('step', '=', step ?? ''))
    .execute();
}

/** Asks others, too, about what nobody has completed in time. Gives how many. */
export async function escalateItems(trx: Trx, limit: number): Promise<number> {
  const { rows } = await sql<{ id: string; escalate_json: string | null }>`
    select id, escalate_json from work_items where escalate_ms <= ${databaseNow} order by escalate_ms limit ${limit}
    for update skip locked`.execute(trx);
  if (rows.length === 0) return 0;
  for (const { id, escalate_json } of rows) {
    await addCandidates(trx, id, JSON.parse(escalate_json ?? '[]') as string[]);
  }
  const ids = rows.map(({ id }) => id);
  await sql`update work_items set escalate_ms = null, escalated = 1, claimed_by = null where id in (${sql.join(ids)})`.execute(
    trx,
  );
  return rows.length;
}
