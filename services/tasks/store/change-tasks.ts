import { type Kysely, sql } from 'kysely';
import { SallyportError } from '#core/errors/error.ts';
import { databaseNow } from '#kernel/db/database-now.ts';
import type { Json } from '../engine/json.ts';
import { digestOf, taskId } from './ids.ts';
import { findTask } from './read-tasks.ts';
import type { TaskTables } from './tables.ts';
import type { NewTask, TaskInfo } from './task-store.ts';
import { insertTask, wake } from './write-tasks.ts';

type Trx = Kysely<TaskTables>;

export async function submitTask(trx: Trx, task: NewTask): Promise<{ id: string; created: boolean }> {
  const id = taskId(task.submitter, task.requestKey);
  const inputJson = JSON.stringify(task.input);
  const digest = digestOf(task.kind, inputJson);
  const before = await trx.selectFrom('tasks').select('digest').where('id', '=', id).executeTakeFirst();
  if (before !== undefined) {
    if (before.digest === digest) return { id, created: false };
    throw new SallyportError('REQUEST_KEY_REUSED', {
      message: `"${task.requestKey}" was used for another task`,
    });
  }
  await insertTask(trx, { ...task, id, inputJson, digest, parent: undefined });
  return { id, created: true };
}

export async function messageTask(trx: Trx, id: string, name: string, value: Json): Promise<void> {
  await lockLiving(trx, id);
  await answerTask(trx, id, name, value);
}

/** The same, of a task that lives and is locked. */
export async function answerTask(trx: Trx, id: string, name: string, value: Json): Promise<void> {
  const text = JSON.stringify({ value });
  await sql`insert into task_steps (task_id, name, state, result_json, attempts, first_ms, last_ms)
    values (${id}, ${name}, 'done', ${text}, 0, ${databaseNow}, ${databaseNow})
    on duplicate key update
      result_json = if(state = 'waiting', values(result_json), result_json),
      last_ms = if(state = 'waiting', values(last_ms), last_ms),
      due_ms = if(state = 'waiting', null, due_ms),
      state = if(state = 'waiting', 'done', state)`.execute(trx);
  await wake(trx, [id]);
}

export async function cancelTask(trx: Trx, id: string): Promise<TaskInfo> {
  let level = [id];
  const all: string[] = [];
  while (level.length > 0) {
    all.push(...level);
    const children = await trx.selectFrom('tasks').select('id').where('parent_id', 'in', level).execute();
    level = children.map((each) => each.id);
  }
  const sorted = all.toSorted();
  await trx.selectFrom('tasks').select('id').where('id', 'in', sorted).orderBy('id').forUpdate().execute();
  await trx
    .updateTable('tasks')
    .set({ cancel_requested: 1, state: 'open', attempts: 0 })
    .where('id', 'in', sorted)
    .where('state', 'in', ['open', 'dead'])
    .where('cancel_requested', '=', 0)
    .execute();
  await wake(trx, sorted);
  return await findExisting(trx, id);
}

export async function reviveTask(
  trx: Trx,
  id: string,
  skip: { step: string; result: Json } | undefined,
): Promise<void> {
  if ((await lockLiving(trx, id)) === 'open') return;
  await trx
    .updateTable('task_steps')
    .set({ attempts: 0, due_ms: null })
    .where('task_id', '=', id)
    .where('state', '=', 'trying')
    .execute();
  if (skip !== undefined) {
    await trx
      .updateTable('task_steps')
      .set({ state: 'done', result_json: JSON.stringify(skip.result), error_json: null, due_ms: null })
      .where('task_id', '=', id)
      .where('name', '=', skip.step)
      .where('state', '=', 'trying')
      .execute();
  }
  await trx
    .updateTable('tasks')
    .set({ state: 'open', attempts: 0, error_json: null, ended_ms: null })
    .where('id', '=', id)
    .execute();
  await wake(trx, [id]);
}

/** @throws NOT_FOUND, TASK_ENDED */
export async function lockLiving(trx: Trx, id: string): Promise<'open' | 'dead'> {
  const row = await trx
    .selectFrom('tasks')
    .select('state')
    .where('id', '=', id)
    .forUpdate()
    .executeTakeFirst();
  if (row === undefined) throw notFound(id);
  if (row.state === 'open' || row.state === 'dead') return row.state;
  throw new SallyportError('TASK_ENDED', { message: `${id} is ${row.state}` });
}

export async function findExisting(on: Trx, id: string): Promise<TaskInfo> {
  const found = await findTask(on, id);
  if (found === undefined) throw notFound(id);
  return found;
}

export const notFound = (id: string): SallyportError =>
  new SallyportError('NOT_FOUND', { message: `there is no task ${id.slice(0, 40)}` });
