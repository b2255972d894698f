import type { Selectable } from 'kysely';
import type { Json } from '../engine/json.ts';
import type { StepRow, TaskRow } from './tables.ts';
import type { JournalRow, TaskError, TaskInfo, TaskState } from './task-store.ts';

export const jsonOf = (text: string | null): Json | undefined =>
  text === null ? undefined : (JSON.parse(text) as Json);
export const textOf = (value: unknown): string | null => (value === undefined ? null : JSON.stringify(value));

export function infoOf(row: Selectable<TaskRow>): TaskInfo {
  return {
    id: row.id,
    kind: row.kind,
    version: row.version,
    submitter: row.submitter,
    state: row.state as TaskState,
    input: jsonOf(row.input_json) ?? null,
    result: jsonOf(row.result_json),
    error: jsonOf(row.error_json) as TaskError | undefined,
    parentId: row.parent_id ?? undefined,
    createdMs: row.created_ms,
    endedMs: row.ended_ms ?? undefined,
    cancelRequested: row.cancel_requested !== 0,
  };
}

export function journalRowOf(row: Selectable<StepRow>): JournalRow {
  return {
    name: row.name,
    state: row.state as JournalRow['state'],
    result: jsonOf(row.result_json),
    error: jsonOf(row.error_json) as TaskError | undefined,
    attempts: row.attempts,
    dueMs: row.due_ms ?? undefined,
  };
}
