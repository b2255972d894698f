import { type Kysely, sql } from 'kysely';
import { databaseNow } from '#kernel/db/database-now.ts';
import type { TaskTables } from './tables.ts';

/**
 * Whose turn it is, as a number that only work moves on: that of the first task that may be claimed, else of the last
 * that was, else of the last that was submitted. By time it would be first come, first served, and who has submitted ten
 * thousand before would keep everybody waiting (start-time fair queueing, Goyal, Vin and Cheng, SIGCOMM 1996).
 * What is bound to hosts may wait for one that is away, and holds up no turn.
 */
export async function turnNow(trx: Kysely<TaskTables>): Promise<number> {
  const { rows } = await sql<{ turn: number }>`select coalesce(
    (select min(turn) from tasks where ready = 1 and hosts_json is null),
    (select turn from tasks where claim_until_ms is not null order by claim_until_ms desc limit 1),
    (select max(turn) from task_turns), 0) as turn`.execute(trx);
  return Number(rows[0]?.turn ?? 0);
}

export interface TaskToInsert {
  readonly id: string;
  readonly kind: string;
  readonly version: number;
  readonly submitter: string;
  readonly inputJson: string;
  readonly digest: string;
  readonly parent: { readonly id: string; readonly step: string } | undefined;
  /** Where alone it may run, by pods or hosts; undefined: where its parent may. */
  readonly hosts?: readonly string[];
}

/** One that is there stays as it is. Its turn is now, or the next after the last one of its submitter. */
export async function insertTask(trx: Kysely<TaskTables>, task: TaskToInsert): Promise<void> {
  const { parent, hosts } = task;
  const bound =
    hosts === undefined
      ? sql`(select p.hosts_json from tasks p where p.id = ${parent?.id ?? null})`
      : sql`${JSON.stringify(hosts)}`;
  await sql`insert into task_turns (submitter, turn) values (${task.submitter}, ${await turnNow(trx)})
    on duplicate key update turn = greatest(turn + 1, values(turn))`.execute(trx);
  await sql`insert ignore into tasks (id, kind, version, submitter, digest, state, input_json, parent_id, parent_step,
      hosts_json, ready, turn, fence, wakes, attempts, cancel_requested, created_ms)
    select ${task.id}, ${task.kind}, ${task.version}, ${task.submitter}, ${task.digest}, 'open', ${task.inputJson},
      ${parent?.id ?? null}, ${parent?.step ?? null}, ${bound}, 1, turn, 0, 0, 0, 0, ${databaseNow}
    from task_turns where submitter = ${task.submitter}`.execute(trx);
}

/** Lets open tasks go on at once, or as soon as whoever runs them lets go of them. */
export async function wake(trx: Kysely<TaskTables>, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return;
  const turn = await turnNow(trx);
  await sql`update tasks set
      wakes = wakes + 1,
      ready = if(claim_until_ms is null, 1, ready),
      turn = if(claim_until_ms is null, ${turn}, turn),
      due_ms = if(claim_until_ms is null, null, due_ms)
    where id in (${sql.join(ids)}) and state = 'open'`.execute(trx);
}
