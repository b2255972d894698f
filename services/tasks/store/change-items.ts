import type { Kysely } from 'kysely';
import { SallyportError } from '#core/errors/error.ts';
import { databaseNow, readDatabaseNow } from '#kernel/db/database-now.ts';
import type { Json } from '../engine/json.ts';
import { answerTask } from './change-tasks.ts';
import { findItem, type ItemInfo } from './read-items.ts';
import type { TaskTables } from './tables.ts';
import { addCandidates } from './write-items.ts';

type Trx = Kysely<TaskTables>;

/** Of one item: the newest. */
const keptHandovers = 50;

/** Whoever works on items. */
export interface Actor {
  /** `person/anna`, `operator/…` */
  readonly name: string;
  /** Canonical name of the user; undefined for an operator's certificate. */
  readonly user: string | undefined;
  /** What it stands for: `user/anna`, `group/hr`, `role/viewer`, … */
  readonly candidates: readonly string[];
  /** Sees what is for others, and may hand it on, but not work on it: who says yes is whoever was asked. */
  readonly everybody: boolean;
}

/** @throws NOT_FOUND: also for what is for others, which is not told from what is not there */
export function requireVisible(actor: Actor, item: ItemInfo | undefined, id: string): ItemInfo {
  if (item !== undefined && (actor.everybody || isAsked(actor, item) || item.completedBy === actor.name))
    return item;
  throw new SallyportError('NOT_FOUND', { message: `there is no work item ${id.slice(0, 40)}` });
}

const isAsked = (actor: Actor, item: ItemInfo): boolean =>
  item.claimedBy === actor.name || item.candidates.some((each) => actor.candidates.includes(each));

/** Locks the item for whoever may work on it now. @throws NOT_FOUND, ITEM_ENDED, ITEM_TAKEN, CALLER_NOT_ALLOWED */
async function itemFor(trx: Trx, actor: Actor, id: string): Promise<ItemInfo> {
  // Tasks before their items: so do those who end a task.
  const seen = await trx.selectFrom('work_items').select('task_id').where('id', '=', id).executeTakeFirst();
  if (seen !== undefined)
    await trx.selectFrom('tasks').select('id').where('id', '=', seen.task_id).forUpdate().executeTakeFirst();
  const item = requireVisible(actor, await findItem(trx, id, true), id);
  if (!isAsked(actor, item) || item.except.includes(actor.user ?? '')) {
    throw new SallyportError('CALLER_NOT_ALLOWED', {
      message: `${actor.name} may not work on this item`,
      hint: 'it is for those whom it names; an operator can hand it to another user',
    });
  }
  if (item.state !== 'open') throw new SallyportError('ITEM_ENDED', { message: `${id} is ${item.state}` });
  if (item.claimedBy !== undefined && item.claimedBy !== actor.name) {
    throw new SallyportError('ITEM_TAKEN', { message: `${item.claimedBy} has reserved ${id}` });
  }
  return item;
}

export async function claimItem(trx: Trx, actor: Actor, id: string): Promise<void> {
  await itemFor(trx, actor, id);
  await trx.updateTable('work_items').set({ claimed_by: actor.name }).where('id', '=', id).execute();
}

export async function releaseItem(trx: Trx, actor: Actor, id: string): Promise<void> {
  await itemFor(trx, actor, id);
  await trx.updateTable('work_items').set({ claimed_by: null }).where('id', '=', id).execute();
}

/** Gives the draft's version. @throws DRAFT_CHANGED unless it replaces the one that is there */
export async function saveDraft(
  trx: Trx,
  actor: Actor,
  draft: { readonly id: string; readonly version: number; readonly json: string },
): Promise<number> {
  const { id } = draft;
  const item = await itemFor(trx, actor, id);
  requireVersion(item, draft.version);
  await trx
    .updateTable('work_items')
    .set({
      draft_version: item.draftVersion + 1,
      draft_json: draft.json,
      draft_by: actor.name,
      draft_ms: databaseNow,
    })
    .where('id', '=', id)
    .execute();
  return item.draftVersion + 1;
}

/** Hands in what fits the form, and lets the task go on with it, both or neither. */
export async function completeItem(
  trx: Trx,
  actor: Actor,
  done: { readonly id: string; readonly version: number; readonly form: Json },
): Promise<void> {
  const { id, form } = done;
  const item = await itemFor(trx, actor, id);
  requireVersion(item, done.version);
  await trx
    .updateTable('work_items')
    .set({
      state: 'done',
      result_json: JSON.stringify(form),
      completed_by: actor.name,
      claimed_by: null,
      escalate_ms: null,
      ended_ms: databaseNow,
    })
    .where('id', '=', id)
    .execute();
  await answerTask(trx, item.taskId, item.step, { by: actor.name, form });
}

/** To one user, who alone has it then; whoever was asked before may still look. */
export async function delegateItem(trx: Trx, actor: Actor, id: string, to: string): Promise<void> {
  const handsOn = actor.everybody ? await releasedFor(trx, id) : await itemFor(trx, actor, id);
  if (handsOn.except.includes(to))
    throw new SallyportError('CALLER_NOT_ALLOWED', { message: `${to} may not work on this item` });
  await addCandidates(trx, id, [`user/${to}`]);
  const person = `person/${to}`;
  // Who has it already is given it again when nobody knew whether this was committed.
  if (handsOn.claimedBy === person) return;
  const atMs = await readDatabaseNow(trx);
  const handed = [...handsOn.handed, { by: actor.name, to: person, atMs }].slice(-keptHandovers);
  await trx
    .updateTable('work_items')
    .set({ claimed_by: person, handed_json: JSON.stringify(handed) })
    .where('id', '=', id)
    .execute();
}

/** Whoever has reserved it. @throws NOT_FOUND, ITEM_ENDED */
async function releasedFor(trx: Trx, id: string): Promise<ItemInfo> {
  const item = await findItem(trx, id, true);
  if (item === undefined) throw new SallyportError('NOT_FOUND', { message: `there is no work item ${id}` });
  if (item.state !== 'open') throw new SallyportError('ITEM_ENDED', { message: `${id} is ${item.state}` });
  return item;
}

function requireVersion({ draftVersion, draftBy }: ItemInfo, version: number): void {
  if (draftVersion === version) return;
  throw new SallyportError('DRAFT_CHANGED', {
    message: `version ${draftVersion} of the draft is ${draftBy ?? 'nobody'}'s, not the ${version} that was seen`,
  });
}
