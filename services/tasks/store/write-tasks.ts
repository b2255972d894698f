import { type Kysely, sql } from 'kysely';
import { databaseNow } from '#kernel/db/database-now.ts';
import type { TaskTables } from './tables.ts';

/** Turns between two tasks of one submitter: whoever submits a thousand at once has them spread over ten seconds. */
const spacing = 10;

export interface TaskToInsert {
  readonly id: string;
  readonly kind: string;
  readonly version: number;
  readonly submitter: string;
  readonly inputJson: string;
  readonly digest: string;
  readonly parent: { readonly id: string; readonly step: string } | undefined;
}

/** One that is there stays as it is. Its turn is now, or after the last one of its submitter. */
export async function insertTask(trx: Kysely<TaskTables>, task: TaskToInsert): Promise<void> {
  const { parent } = task;
  await sql`insert into task_turns (submitter, turn) values (${task.submitter}, ${databaseNow})
    on duplicate key update turn = greatest(turn + ${spacing}, values(turn))`.execute(trx);
  await sql`insert ignore into tasks (id, kind, version, submitter, digest, state, input_json, parent_id, parent_step,
      ready, turn, fence, wakes, attempts, cancel_requested, created_ms)
    select ${task.id}, ${task.kind}, ${task.version}, ${task.submitter}, ${task.digest}, 'open', ${task.inputJson},
      ${parent?.id ?? null}, ${parent?.step ?? null}, 1, turn, 0, 0, 0, 0, ${databaseNow}
    from task_turns where submitter = ${task.submitter}`.execute(trx);
}

/** Lets open tasks go on at once, or as soon as whoever runs them lets go of them. */
export async function wake(trx: Kysely<TaskTables>, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return;
  await sql`update tasks set
      wakes = wakes + 1,
      ready = if(claim_until_ms is null, 1, ready),
      turn = if(claim_until_ms is null, ${databaseNow}, turn),
      due_ms = if(claim_until_ms is null, null, due_ms)
    where id in (${sql.join(ids)}) and state = 'open'`.execute(trx);
}
