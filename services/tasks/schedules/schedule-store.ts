import { type Kysely, type Selectable, sql } from 'kysely';
import { SallyportError } from '#core/errors/error.ts';
import type { ScheduleSpec } from '#gen/sallyport/task/v1/schedule_pb.js';
import { databaseNow, readDatabaseNow } from '#kernel/db/database-now.ts';
import { digestOf, taskId } from '../store/ids.ts';
import type { TaskTables } from '../store/tables.ts';
import { insertTask } from '../store/write-tasks.ts';
import { jitterOf, planRun } from './plan-run.ts';
import { checkSpec, cronOf, hostsOf, inputOf, rulesOf, specFromText, specToText } from './spec.ts';
import type { ScheduleRow, ScheduleTables } from './tables.ts';

type Trx = Kysely<TaskTables & ScheduleTables>;
export type ScheduleInfo = Selectable<ScheduleRow>;

/** The version of a kind with which a task begins now; undefined: it is not known here. */
export type VersionOf = (kind: string) => number | undefined;

export interface SchedulePut {
  readonly name: string;
  readonly spec: ScheduleSpec;
  /** Of what is changed; 0: a new one. */
  readonly revision: number;
  readonly by: string;
}

/** More would make a look for what is due long. */
const maxSchedules = 1000;

/** @throws SCHEDULE_INVALID, ALREADY_EXISTS, NOT_FOUND, TOO_LARGE */
export async function putSchedule(trx: Trx, { name, spec, revision, by }: SchedulePut): Promise<void> {
  checkSpec(spec);
  const before = await locked(trx, name);
  const times = timesAfter(name, spec, await readDatabaseNow(trx));
  const values = { spec_json: specToText(spec), changed_by: by, ...times };
  if (revision > 0) {
    if (before === undefined) throw noSchedule(name);
    if (before.revision !== revision) {
      throw new SallyportError('SCHEDULE_INVALID', {
        message: `the schedule ${name} was changed meanwhile: it is at revision ${before.revision}`,
        hint: 'look at it again, then repeat',
      });
    }
    await trx
      .updateTable('schedules')
      .set({ ...values, revision: revision + 1 })
      .where('name', '=', name)
      .execute();
    return;
  }
  if (before !== undefined)
    throw new SallyportError('ALREADY_EXISTS', { message: `there is a schedule "${name}"` });
  if ((await listSchedules(trx)).length >= maxSchedules) {
    throw new SallyportError('TOO_LARGE', { message: `there are ${maxSchedules} schedules already` });
  }
  await trx
    .insertInto('schedules')
    .values({ name, revision: 1, paused: 0, ...values })
    .execute();
}

/** Going on, it begins with the next time after now. @throws NOT_FOUND */
export async function pauseSchedule(trx: Trx, name: string, paused: boolean, by: string): Promise<void> {
  const before = await locked(trx, name);
  if (before === undefined) throw noSchedule(name);
  if ((before.paused === 1) === paused) return;
  const times = paused ? {} : timesAfter(name, specFromText(before.spec_json), await readDatabaseNow(trx));
  await trx
    .updateTable('schedules')
    .set({ paused: paused ? 1 : 0, changed_by: by, revision: before.revision + 1, ...times })
    .where('name', '=', name)
    .execute();
}

/** @throws NOT_FOUND */
export async function removeSchedule(trx: Trx, name: string): Promise<void> {
  if ((await locked(trx, name)) === undefined) throw noSchedule(name);
  await trx.deleteFrom('schedules').where('name', '=', name).execute();
}

/** Begins its task now, and leaves its times as they are. @throws NOT_FOUND, SCHEDULE_BUSY, TASK_KIND_UNKNOWN */
export async function runSchedule(
  trx: Trx,
  name: string,
  requestKey: string,
  versionOf: VersionOf,
): Promise<string> {
  const row = await locked(trx, name);
  if (row === undefined) throw noSchedule(name);
  const id = taskId(`schedule/${name}`, `now ${requestKey}`);
  if (row.last_task === id) return id;
  if (row.last_task !== null) {
    const last = await trx
      .selectFrom('tasks')
      .select('state')
      .where('id', '=', row.last_task)
      .executeTakeFirst();
    if (last?.state === 'open') {
      throw new SallyportError('SCHEDULE_BUSY', {
        message: `task ${row.last_task} of ${name} has not ended`,
      });
    }
  }
  const spec = specFromText(row.spec_json);
  const version = versionOf(spec.kind);
  if (version === undefined)
    throw new SallyportError('TASK_KIND_UNKNOWN', { message: `there is no task "${spec.kind}"` });
  await begin(trx, name, spec, version, id);
  await sql`update schedules set last_task = ${id}, last_ms = ${databaseNow} where name = ${name}`.execute(
    trx,
  );
  return id;
}

export function listSchedules(on: Trx, name?: string): Promise<ScheduleInfo[]> {
  return on
    .selectFrom('schedules')
    .selectAll()
    .$if(name !== undefined, (query) => query.where('name', '=', name ?? ''))
    .orderBy('name')
    .execute();
}

/** Whether any schedule's time has come. */
export async function anyDue(on: Trx): Promise<boolean> {
  const { rows } =
    await sql`select 1 from schedules where paused = 0 and due_ms <= ${databaseNow} limit 1`.execute(on);
  return rows.length > 0;
}

/**
 * Begins what is due, at most `limit`, and moves the schedules on in the same transaction; gives how many tasks. While
 * a schedule's last task is open its next one waits, and is then one that was missed. What another worker looks at is
 * passed over, and so are kinds that this one does not know.
 */
export async function beginDue(trx: Trx, limit: number, versionOf: VersionOf): Promise<number> {
  const nowMs = await readDatabaseNow(trx);
  const { rows } = await sql<ScheduleInfo>`select s.* from schedules s left join tasks t on t.id = s.last_task
    where s.paused = 0 and s.due_ms <= ${nowMs} and (t.state is null or t.state <> 'open')
    order by s.due_ms limit ${limit} for update of s skip locked`.execute(trx);
  let begun = 0;
  for (const { name, spec_json, planned_ms } of rows) {
    const spec = specFromText(spec_json);
    const version = versionOf(spec.kind);
    if (version === undefined || planned_ms === null) continue;
    const rules = rulesOf(spec);
    const { run, next } = planRun(cronOf(spec), name, rules, Number(planned_ms), nowMs);
    let last = {};
    if (run !== undefined) {
      const id = taskId(`schedule/${name}`, `at ${run}`);
      await begin(trx, name, spec, version, id);
      last = { last_task: id, last_ms: run };
      begun++;
    }
    await trx
      .updateTable('schedules')
      .set({ ...timesOf(name, next, rules.jitterMs), ...last })
      .where('name', '=', name)
      .execute();
  }
  return begun;
}

async function begin(trx: Trx, name: string, spec: ScheduleSpec, version: number, id: string): Promise<void> {
  const inputJson = JSON.stringify(inputOf(spec));
  const { kind } = spec;
  const hosts = hostsOf(spec);
  await insertTask(trx, {
    ...{ id, kind, version, inputJson, digest: digestOf(kind, inputJson), parent: undefined },
    submitter: `schedule/${name}`,
    ...(hosts !== undefined && { hosts }),
  });
}

const timesOf = (name: string, next: number | undefined, jitterMs: number) => ({
  planned_ms: next ?? null,
  due_ms: next === undefined ? null : next + jitterOf(name, next, jitterMs),
});

const timesAfter = (name: string, spec: ScheduleSpec, nowMs: number) =>
  timesOf(name, cronOf(spec).next(nowMs), rulesOf(spec).jitterMs);

const locked = (trx: Trx, name: string): Promise<ScheduleInfo | undefined> =>
  trx.selectFrom('schedules').selectAll().where('name', '=', name).forUpdate().executeTakeFirst();

export const noSchedule = (name: string): SallyportError =>
  new SallyportError('NOT_FOUND', { message: `there is no schedule "${name}"` });
