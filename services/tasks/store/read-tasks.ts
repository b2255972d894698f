import { type Kysely, sql } from 'kysely';
import { databaseNow } from '#kernel/db/database-now.ts';
import type { TaskDefinition } from '../engine/definition.ts';
import { infoOf, journalRowOf } from './rows.ts';
import type { TaskTables } from './tables.ts';
import type { HistoryRow, TaskInfo, TaskState } from './task-store.ts';

type On = Kysely<TaskTables>;

export async function findTask(on: On, id: string): Promise<TaskInfo | undefined> {
  const row = await on.selectFrom('tasks').selectAll().where('id', '=', id).executeTakeFirst();
  return row && infoOf(row);
}

/** In the order in which they were first written. @param sinceMs only what was written then or later */
export async function historyOf(on: On, id: string, sinceMs = 0): Promise<readonly HistoryRow[]> {
  const rows = await on
    .selectFrom('task_steps')
    .selectAll()
    .where('task_id', '=', id)
    .where('last_ms', '>=', sinceMs)
    .orderBy('first_ms')
    .orderBy('name')
    .execute();
  return rows.map((row) => ({ ...journalRowOf(row), firstMs: row.first_ms, lastMs: row.last_ms }));
}

export interface TaskPage {
  readonly state?: TaskState | undefined;
  readonly kind?: string | undefined;
  readonly submitter?: string | undefined;
  /** Where the page before ended. */
  readonly before?: { readonly createdMs: number; readonly id: string } | undefined;
  readonly limit: number;
}

/** Newest first. */
export async function listTasks(on: On, page: TaskPage): Promise<readonly TaskInfo[]> {
  const { state, kind, submitter, before } = page;
  const rows = await on
    .selectFrom('tasks')
    .selectAll()
    .$if(state !== undefined, (q) => q.where('state', '=', state ?? ''))
    .$if(kind !== undefined, (q) => q.where('kind', '=', kind ?? ''))
    .$if(submitter !== undefined, (q) => q.where('submitter', '=', submitter ?? ''))
    .$if(before !== undefined, (q) =>
      q.where(sql<boolean>`(created_ms, id) < (${before?.createdMs ?? 0}, ${before?.id ?? ''})`),
    )
    .orderBy('created_ms', 'desc')
    .orderBy('id', 'desc')
    .limit(page.limit)
    .execute();
  return rows.map(infoOf);
}

export interface KnownKind {
  readonly kind: string;
  readonly version: number;
  readonly summary: string;
  readonly forAnyone: boolean;
}

/** What workers have said that they run: of each kind the newest version, by name. */
export async function listKinds(on: On): Promise<readonly KnownKind[]> {
  const rows = await on.selectFrom('task_kinds').selectAll().orderBy('kind').orderBy('version').execute();
  const newest = new Map(rows.map((row) => [row.kind, row]));
  return [...newest.values()].map(({ kind, version, summary, for_anyone }) => ({
    ...{ kind, version, summary },
    forAnyone: for_anyone !== 0,
  }));
}

/** Says what a worker runs, so that it can be submitted. */
export async function announceKinds(on: On, definitions: readonly TaskDefinition[]): Promise<void> {
  if (definitions.length === 0) return;
  const rows = definitions.map(
    ({ kind, version, summary = '', forAnyone = false }) =>
      sql`(${kind}, ${version}, ${summary.slice(0, 400)}, ${forAnyone ? 1 : 0}, ${databaseNow})`,
  );
  await sql`insert into task_kinds (kind, version, summary, for_anyone, seen_ms) values ${sql.join(rows)}
    on duplicate key update summary = values(summary), for_anyone = values(for_anyone), seen_ms = values(seen_ms)`.execute(
    on,
  );
}
