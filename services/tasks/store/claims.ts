import { type Kysely, sql } from 'kysely';
import { databaseNow } from '#kernel/db/database-now.ts';
import { journalRowOf, jsonOf } from './rows.ts';
import type { TaskTables } from './tables.ts';
import type { Claim, ClaimedTask, JournalRow, TaskStore } from './task-store.ts';
import { escalateItems } from './write-items.ts';
import { turnNow } from './write-tasks.ts';

type Trx = Kysely<TaskTables>;

/** Milliseconds after a claim has run out for the first time, at most. */
const firstPauseMs = 500;
/** Claims that ended without a trace. One is a worker that was killed. */
export const suspectFrom = 2;

interface ClaimableRow {
  readonly id: string;
  readonly submitter: string;
  readonly kind: string;
  readonly version: number;
  readonly input_json: string;
  readonly fence: number;
  readonly wakes: number;
  readonly attempts: number;
  readonly cancel_requested: number;
}

/**
 * Rows that others are claiming are passed over (SKIP LOCKED), so workers never wait for each other.
 * https://dev.mysql.com/doc/refman/8.4/en/innodb-locking-reads.html
 */
export async function claimTasks(
  trx: Trx,
  { worker, kinds, limit, forMs, suspect, places = [] }: Parameters<TaskStore['claim']>[0],
): Promise<readonly ClaimedTask[]> {
  if (kinds.length === 0) return [];
  const known = sql.join(kinds.map(({ kind, version }) => sql`(${kind}, ${version})`));
  const here = sql`(hosts_json is null or json_overlaps(hosts_json, ${JSON.stringify(places)}))`;
  const claimable = async (attempts: ReturnType<typeof sql>, most: number) => {
    const { rows } = await sql<ClaimableRow>`
      select id, submitter, kind, version, input_json, fence, wakes, attempts, cancel_requested from tasks
      where ready = 1 and ${attempts} and (kind, version) in (${known}) and ${here} order by turn limit ${most}
      for update skip locked`.execute(trx);
    return rows;
  };
  const rows = await claimable(sql`attempts < ${suspectFrom}`, limit);
  if (suspect) rows.push(...(await claimable(sql`attempts >= ${suspectFrom}`, 1)));
  if (rows.length === 0) return [];
  const ids = rows.map(({ id }) => id);
  await sql`update tasks set ready = 0, due_ms = null, claimed_by = ${worker},
      claim_until_ms = ${databaseNow} + ${forMs}, fence = fence + 1, attempts = attempts + 1
    where id in (${sql.join(ids)})`.execute(trx);
  const steps = await trx.selectFrom('task_steps').selectAll().where('task_id', 'in', ids).execute();
  const journals = new Map<string, JournalRow[]>();
  for (const step of steps)
    journals.set(step.task_id, [...(journals.get(step.task_id) ?? []), journalRowOf(step)]);
  return rows.map((row) => ({
    id: row.id,
    fence: row.fence + 1,
    submitter: row.submitter,
    kind: row.kind,
    version: row.version,
    input: jsonOf(row.input_json) ?? null,
    cancelRequested: row.cancel_requested !== 0,
    attempts: row.attempts + 1,
    wakes: row.wakes,
    journal: journals.get(row.id) ?? [],
  }));
}

export async function renewClaims(
  trx: Trx,
  claims: readonly Claim[],
  forMs: number,
): Promise<readonly (Claim & { readonly cancelRequested: boolean })[]> {
  if (claims.length === 0) return [];
  const fences = new Map(claims.map(({ id, fence }) => [id, fence]));
  const rows = await trx
    .selectFrom('tasks')
    .select(['id', 'fence', 'cancel_requested'])
    .where('id', 'in', [...fences.keys()].toSorted())
    .where('claim_until_ms', 'is not', null)
    .orderBy('id')
    .forUpdate()
    .execute();
  const held = rows.filter(({ id, fence }) => fences.get(id) === fence);
  if (held.length === 0) return [];
  const ids = held.map(({ id }) => id);
  await sql`update tasks set claim_until_ms = ${databaseNow} + ${forMs} where id in (${sql.join(ids)})`.execute(
    trx,
  );
  return held.map(({ id, fence, cancel_requested }) => ({
    id,
    fence,
    cancelRequested: cancel_requested !== 0,
  }));
}

export async function ripenTasks(
  trx: Trx,
  { limit, expired }: Parameters<TaskStore['ripen']>[0],
): Promise<number> {
  const due = await idsOf(trx, sql`due_ms <= ${databaseNow} order by due_ms`, limit);
  if (due.length > 0) {
    const turn = await turnNow(trx);
    await sql`update tasks set ready = 1, due_ms = null, turn = ${turn} where id in (${sql.join(due)})`.execute(
      trx,
    );
  }
  const lost = expired
    ? await idsOf(trx, sql`claim_until_ms < ${databaseNow} order by claim_until_ms`, limit)
    : [];
  if (lost.length > 0) {
    // Later each time, and apart: what dies with one that kills its workers is not to meet it again.
    await sql`update tasks set fence = fence + 1, claimed_by = null, claim_until_ms = null,
        due_ms = ${databaseNow} + floor(rand() * ${firstPauseMs} * pow(2, least(attempts, 7) - 1))
      where id in (${sql.join(lost)})`.execute(trx);
  }
  return due.length + lost.length + (await escalateItems(trx, limit));
}

async function idsOf(trx: Trx, condition: ReturnType<typeof sql>, limit: number): Promise<string[]> {
  const { rows } = await sql<{ id: string }>`select id from tasks where ${condition} limit ${limit}
    for update skip locked`.execute(trx);
  return rows.map(({ id }) => id);
}
