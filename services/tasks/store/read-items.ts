import { type Kysely, type Selectable, sql } from 'kysely';
import type { Json } from '../engine/json.ts';
import { jsonOf } from './rows.ts';
import type { Handover, TaskTables, WorkItemRow } from './tables.ts';

type On = Kysely<TaskTables>;

/** `expired`: its time was over. `withdrawn`: its task has ended otherwise. */
export type ItemState = 'open' | 'done' | 'expired' | 'withdrawn';

export interface ItemInfo {
  readonly id: string;
  readonly taskId: string;
  readonly step: string;
  readonly title: string;
  readonly details: Json;
  readonly formId: string;
  readonly formType: string;
  readonly state: ItemState;
  /** `user/anna`, `group/hr`, `role/helpdesk` */
  readonly candidates: readonly string[];
  /** Users who may not, canonical. */
  readonly except: readonly string[];
  /** `person/anna`, as all that say by whom. */
  readonly claimedBy: string | undefined;
  /** 0: none yet. */
  readonly draftVersion: number;
  readonly draftJson: string | undefined;
  readonly draftBy: string | undefined;
  /** Unix milliseconds, database time, as all that follow. */
  readonly draftMs: number | undefined;
  readonly escalateMs: number | undefined;
  readonly escalated: boolean;
  readonly dueMs: number | undefined;
  readonly resultJson: string | undefined;
  readonly completedBy: string | undefined;
  /** Oldest first; the newest 50. */
  readonly handed: readonly Handover[];
  readonly createdMs: number;
  readonly endedMs: number | undefined;
}

/** With `lock` nobody else changes it before the transaction ends. */
export async function findItem(on: On, id: string, lock = false): Promise<ItemInfo | undefined> {
  const row = await on
    .selectFrom('work_items')
    .selectAll()
    .where('id', '=', id)
    .$if(lock, (q) => q.forUpdate())
    .executeTakeFirst();
  if (row === undefined) return undefined;
  const candidates = await candidatesOf(on, [id]);
  return itemOf(row, candidates.get(id) ?? []);
}

export interface ItemPage {
  /** Whose inbox; undefined: everybody's. */
  readonly of?: { readonly name: string; readonly candidates: readonly string[] } | undefined;
  readonly ended: boolean;
  readonly taskId?: string | undefined;
  /** Where the page before ended. */
  readonly after?: { readonly createdMs: number; readonly id: string } | undefined;
  readonly limit: number;
}

/** Oldest first. An inbox has what its owner may work on, and nobody else has reserved. */
export async function listItems(on: On, page: ItemPage): Promise<readonly ItemInfo[]> {
  const { of, after, taskId } = page;
  const rows = await on
    .selectFrom('work_items')
    .selectAll()
    .$if(!page.ended, (q) => q.where('state', '=', 'open'))
    .$if(taskId !== undefined, (q) => q.where('task_id', '=', taskId ?? ''))
    .$if(of !== undefined, (q) =>
      q.where(
        sql<boolean>`(claimed_by = ${of?.name ?? ''} or completed_by = ${of?.name ?? ''} or claimed_by is null and id in (
          select item_id from work_candidates where candidate in (${sql.join(of?.candidates ?? [''])})))`,
      ),
    )
    .$if(after !== undefined, (q) =>
      q.where(sql<boolean>`(created_ms, id) > (${after?.createdMs ?? 0}, ${after?.id ?? ''})`),
    )
    .orderBy('created_ms')
    .orderBy('id')
    .limit(page.limit)
    .execute();
  const candidates = await candidatesOf(
    on,
    rows.map(({ id }) => id),
  );
  return rows.map((row) => itemOf(row, candidates.get(row.id) ?? []));
}

export interface StoredForm {
  readonly type: string;
  /** google.protobuf.FileDescriptorSet */
  readonly descriptorSet: Uint8Array;
}

export async function findForm(on: On, id: string): Promise<StoredForm | undefined> {
  const row = await on.selectFrom('work_forms').selectAll().where('id', '=', id).executeTakeFirst();
  return row && { type: row.type, descriptorSet: row.descriptor_set };
}

async function candidatesOf(on: On, ids: readonly string[]): Promise<Map<string, string[]>> {
  const all = new Map<string, string[]>();
  if (ids.length === 0) return all;
  const rows = await on
    .selectFrom('work_candidates')
    .selectAll()
    .where('item_id', 'in', ids)
    .orderBy('candidate')
    .execute();
  for (const { item_id, candidate } of rows) all.set(item_id, [...(all.get(item_id) ?? []), candidate]);
  return all;
}

function itemOf(row: Selectable<WorkItemRow>, candidates: readonly string[]): ItemInfo {
  return {
    id: row.id,
    taskId: row.task_id,
    step: row.step,
    title: row.title,
    details: jsonOf(row.details_json) ?? null,
    formId: row.form_id,
    formType: row.form_type,
    state: row.state as ItemState,
    candidates,
    except: JSON.parse(row.except_json) as string[],
    claimedBy: row.claimed_by ?? undefined,
    draftVersion: row.draft_version,
    draftJson: row.draft_json ?? undefined,
    draftBy: row.draft_by ?? undefined,
    draftMs: row.draft_ms ?? undefined,
    escalateMs: row.escalate_ms ?? undefined,
    escalated: row.escalated !== 0,
    dueMs: row.due_ms ?? undefined,
    resultJson: row.result_json ?? undefined,
    completedBy: row.completed_by ?? undefined,
    handed: row.handed_json ?? [],
    createdMs: row.created_ms,
    endedMs: row.ended_ms ?? undefined,
  };
}
