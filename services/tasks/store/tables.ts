import type { ColumnType } from 'kysely';

/** Rows of migrations-tasks.ts. Times are Unix milliseconds of the database. */
export interface TaskRow {
  id: string;
  kind: string;
  version: number;
  submitter: string;
  /** Of kind and input: a key that is used again must be for the same. */
  digest: string;
  state: string;
  input_json: string;
  result_json: string | null;
  error_json: string | null;
  parent_id: string | null;
  parent_step: string | null;
  /** Where alone it may run; null: anywhere. */
  hosts_json: unknown;
  /** 1: any worker may claim it. */
  ready: number;
  /** The lowest comes first. */
  turn: number;
  due_ms: number | null;
  claim_until_ms: number | null;
  claimed_by: string | null;
  fence: number;
  wakes: number;
  attempts: number;
  cancel_requested: number;
  created_ms: number;
  ended_ms: number | null;
}

export interface StepRow {
  task_id: string;
  name: string;
  state: string;
  result_json: string | null;
  error_json: string | null;
  attempts: number;
  due_ms: number | null;
  first_ms: number;
  last_ms: number;
}

export interface TurnRow {
  submitter: string;
  turn: number;
}

export interface TaskKindRow {
  kind: string;
  version: number;
  summary: string;
  for_anyone: number;
  seen_ms: number;
}

export interface WorkFormRow {
  id: string;
  type: string;
  descriptor_set: Buffer;
}

export interface WorkItemRow {
  id: string;
  task_id: string;
  step: string;
  title: string;
  details_json: string;
  form_id: string;
  form_type: string;
  except_json: string;
  state: string;
  /** `person/anna`, as all that say by whom. */
  claimed_by: string | null;
  draft_version: number;
  draft_json: string | null;
  draft_by: string | null;
  draft_ms: number | null;
  escalate_ms: number | null;
  escalate_json: string | null;
  escalated: number;
  due_ms: number | null;
  result_json: string | null;
  completed_by: string | null;
  created_ms: number;
  ended_ms: number | null;
  handed_json: ColumnType<readonly Handover[] | null, string | null | undefined, string | null>;
}

/** An item was handed by one to another. */
export interface Handover {
  /** `person/anna`, `operator/…` */
  readonly by: string;
  /** `person/bob` */
  readonly to: string;
  /** Unix milliseconds, database time. */
  readonly atMs: number;
}

export interface WorkCandidateRow {
  candidate: string;
  item_id: string;
}

export interface TaskTables {
  tasks: TaskRow;
  task_steps: StepRow;
  task_turns: TurnRow;
  task_kinds: TaskKindRow;
  work_forms: WorkFormRow;
  work_items: WorkItemRow;
  work_candidates: WorkCandidateRow;
}
