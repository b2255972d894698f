import { type Kysely, sql } from 'kysely';
import { SallyportError } from '#core/errors/error.ts';
import { databaseNow } from '#kernel/db/database-now.ts';
import { childId, digestOf } from './ids.ts';
import { journalRowOf, textOf } from './rows.ts';
import type { TaskTables } from './tables.ts';
import type { Claim, JournalEntry, JournalRow, Release } from './task-store.ts';
import { endItems, insertItem } from './write-items.ts';
import { insertTask, turnNow, wake } from './write-tasks.ts';

type Trx = Kysely<TaskTables>;

/** What is written under a claim. */
export type Write =
  | { readonly claim: Claim; readonly entry: JournalEntry; readonly how?: undefined }
  | { readonly claim: Claim; readonly how: Release; readonly entry?: undefined };

interface Held {
  readonly id: string;
  readonly fence: number;
  readonly claim_until_ms: number | null;
  readonly submitter: string;
  readonly parent_id: string | null;
  readonly parent_step: string | null;
}

/**
 * Several tasks' writes in one transaction. One result each: the journal's row, nothing for a release, and CLAIM_LOST,
 * which is given and not thrown, so that the others go through.
 */
export async function writeUnderClaims(trx: Trx, writes: readonly Write[]): Promise<readonly unknown[]> {
  const ids = [...new Set(writes.map(({ claim }) => claim.id))].toSorted();
  const rows = await trx
    .selectFrom('tasks')
    .select(['id', 'fence', 'claim_until_ms', 'submitter', 'parent_id', 'parent_step'])
    .where('id', 'in', ids)
    .orderBy('id')
    .forUpdate()
    .execute();
  const tasks = new Map<string, Held>(rows.map((row) => [row.id, row]));
  const results: unknown[] = [];
  const progressed = new Set<string>();
  const ended: string[] = [];
  let turn: number | undefined;
  for (const { claim, entry, how } of writes) {
    const task = tasks.get(claim.id);
    const held = task !== undefined && task.fence === claim.fence;
    if (!held || (how === undefined && task.claim_until_ms === null)) {
      results.push(new SallyportError('CLAIM_LOST', { message: `another worker has ${claim.id}` }));
    } else if (entry !== undefined) {
      results.push(await writeEntry(trx, task, entry));
      progressed.add(claim.id);
    } else {
      // It was let go of under this very fence: this is a repetition.
      if (task.claim_until_ms !== null) {
        // Once for the batch: it changes by whole turns only.
        if (how.to === 'open') turn ??= await turnNow(trx);
        await letGo(trx, task, how, turn ?? 0);
        if (how.to !== 'open' && how.to !== 'dead') ended.push(task.id);
      }
      results.push(undefined);
    }
  }
  if (progressed.size > 0) {
    await trx
      .updateTable('tasks')
      .set({ attempts: 0 })
      .where('id', 'in', [...progressed])
      .where('attempts', '>', 0)
      .execute();
  }
  await endItems(trx, 'withdrawn', ended);
  return results;
}

async function writeEntry(trx: Trx, task: Held, entry: JournalEntry): Promise<JournalRow> {
  const { name, state, result, error, attempts, dueMs = null, child, item } = entry;
  if (child !== undefined) {
    const inputJson = JSON.stringify(child.input);
    const digest = digestOf(child.kind, inputJson);
    const parent = { id: task.id, step: name };
    await insertTask(trx, {
      ...child,
      id: childId(task.id, name),
      submitter: task.submitter,
      inputJson,
      digest,
      parent,
    });
  }
  // What is final stays; the state is set last, since the others go by it.
  const final = sql`state in ('done', 'failed')`;
  await sql`insert into task_steps (task_id, name, state, result_json, error_json, attempts, due_ms, first_ms, last_ms)
    values (${task.id}, ${name}, ${state}, ${textOf(result)}, ${textOf(error)}, ${attempts}, ${dueMs}, ${databaseNow}, ${databaseNow})
    on duplicate key update
      result_json = if(${final}, result_json, values(result_json)),
      error_json = if(${final}, error_json, values(error_json)),
      attempts = if(${final}, attempts, values(attempts)),
      due_ms = if(${final}, due_ms, values(due_ms)),
      last_ms = if(${final}, last_ms, values(last_ms)),
      state = if(${final}, state, values(state))`.execute(trx);
  // Of effects nobody else writes; of waits others do.
  const { child: _, item: __, ...row } = entry;
  if (attempts > 0) return row;
  const now = await trx
    .selectFrom('task_steps')
    .selectAll()
    .where('task_id', '=', task.id)
    .where('name', '=', name)
    .executeTakeFirstOrThrow();
  // A message may have come before the task asked, or after it stopped waiting; then nobody is asked.
  if (now.state === 'waiting' && item !== undefined)
    await insertItem(trx, { taskId: task.id, step: name, dueMs: entry.dueMs }, item);
  else if (state === 'done') await endItems(trx, 'expired', [task.id], name);
  return journalRowOf(now);
}

/** @param turn of those that go on */
async function letGo(trx: Trx, task: Held, how: Release, turn: number): Promise<void> {
  if (how.to === 'open') {
    const due = how.dueMs ?? null;
    const awake = sql`(wakes <> ${how.wakes} or ifnull(${due} <= ${databaseNow}, 0))`;
    // Whoever lets go in order is alive: the task has not ended it.
    await sql`update tasks set claimed_by = null, claim_until_ms = null, attempts = 0, turn = ${turn},
      ready = if(${awake}, 1, 0), due_ms = if(${awake}, null, ${due}) where id = ${task.id}`.execute(trx);
    return;
  }
  const result = how.to === 'done' ? JSON.stringify(how.result) : null;
  const error = how.to === 'failed' || how.to === 'dead' ? JSON.stringify(how.error) : null;
  await sql`update tasks set claimed_by = null, claim_until_ms = null, ready = 0, due_ms = null, state = ${how.to},
    result_json = ${result}, error_json = ${error}, ended_ms = ${databaseNow} where id = ${task.id}`.execute(
    trx,
  );
  // A dead one may still go on, and its parent with it.
  if (how.to === 'dead' || task.parent_id === null) return;
  const told =
    how.to === 'cancelled'
      ? { reason: 'CANCELLED', message: `the task "${task.parent_step}" was cancelled` }
      : undefined;
  await sql`update task_steps set state = ${how.to === 'done' ? 'done' : 'failed'}, result_json = ${result},
      error_json = ${told === undefined ? error : JSON.stringify(told)}, last_ms = ${databaseNow}
    where task_id = ${task.parent_id} and name = ${task.parent_step} and state = 'waiting'`.execute(trx);
  await wake(trx, [task.parent_id]);
}
