import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { SallyportError } from '#core/errors/error.ts';
import { ItemState, type WorkItemService } from '#gen/sallyport/task/v1/work_item_pb.js';
import type { CallContext, Handlers } from '#kernel/rpc/handlers.ts';
import { held } from '#kernel/rpc/hold.ts';
import { readPage } from '#kernel/rpc/page.ts';
import {
  type Actor,
  claimItem,
  completeItem,
  delegateItem,
  releaseItem,
  requireVisible,
  saveDraft,
} from '#services/tasks/store/change-items.ts';
import {
  findForm,
  findItem,
  type ItemInfo,
  listItems,
  type ItemState as State,
  type StoredForm,
} from '#services/tasks/store/read-items.ts';
import { changeKey } from '../authorize/administrators.ts';
import { findUserDetails } from '../directory/read-users.ts';
import { actorOf } from './actors.ts';
import { Forms } from './forms.ts';
import { readPageToken, pageToken as tokenOf } from './page-token.ts';
import type { TaskDeps } from './task-service.ts';

/** What tasks ask of people. Every change is one transaction, which a repetition finds done. */
export function workItemService(deps: TaskDeps): Handlers<typeof WorkItemService> {
  const { db, bell } = deps;
  const forms = new Forms();
  const formOf = async (id: string, call: CallContext): Promise<StoredForm> => {
    const form = await db.read((on) => findForm(on, id), held(call));
    if (form !== undefined) return form;
    throw new SallyportError('NOT_FOUND', { message: `there is no form ${id}` });
  };
  const itemOf = async (actor: Actor, id: string, call: CallContext): Promise<ItemInfo> =>
    requireVisible(actor, await db.read((on) => findItem(on, id), held(call)), id);
  const again = (call: CallContext) => ({ idempotent: true, ...held(call) });
  /** Once for each request key of the same person. */
  const once = (call: CallContext, { name }: Actor, requestKey: string) => ({
    key: changeKey(call, { name }, requestKey),
    ...held(call),
  });

  return {
    listItems: async ({ everybody, ended, taskId, pageSize, pageToken }, call) => {
      const actor = await actorOf(deps, call);
      if (everybody && !actor.everybody) {
        throw new SallyportError('CALLER_NOT_ALLOWED', { message: "everybody's items are for operators" });
      }
      const after = readPageToken(pageToken);
      const list = (limit: number) =>
        db.read(
          (on) =>
            listItems(on, {
              // An operator's certificate has no inbox of its own.
              of: everybody || actor.user === undefined ? undefined : actor,
              ended,
              taskId: taskId === '' ? undefined : taskId,
              after,
              limit,
            }),
          held(call),
        );
      const { rows, nextPageToken } = await readPage(pageSize, list, tokenOf);
      return {
        items: rows.map((item) => ({ ...toWire(item), draftJson: '', resultJson: '', handed: [] })),
        nextPageToken,
      };
    },

    getItem: async ({ id }, call) => ({ item: toWire(await itemOf(await actorOf(deps, call), id, call)) }),

    getForm: async ({ formId }, call) => {
      await actorOf(deps, call);
      return formOf(formId, call);
    },

    claimItem: async ({ id }, call) => {
      const actor = await actorOf(deps, call);
      await db.tx((trx) => claimItem(trx, actor, id), again(call));
      return { item: toWire(await itemOf(actor, id, call)) };
    },

    releaseItem: async ({ id }, call) => {
      const actor = await actorOf(deps, call);
      await db.tx((trx) => releaseItem(trx, actor, id), again(call));
      return { item: toWire(await itemOf(actor, id, call)) };
    },

    saveDraft: async ({ requestKey, id, version, draftJson }, call) => {
      const actor = await actorOf(deps, call);
      const { formId } = await itemOf(actor, id, call);
      const json = forms.draft(formId, await formOf(formId, call), draftJson);
      const saved = await db.tx(
        (trx) => saveDraft(trx, actor, { id, version, json }),
        once(call, actor, requestKey),
      );
      return { version: saved };
    },

    completeItem: async ({ requestKey, id, version, formJson }, call) => {
      const actor = await actorOf(deps, call);
      const item = await itemOf(actor, id, call);
      const stored = await formOf(item.formId, call);
      const form = forms.complete(item.formId, stored, formJson || item.draftJson || '{}');
      await db.tx((trx) => completeItem(trx, actor, { id, version, form }), once(call, actor, requestKey));
      bell.ring();
      return { item: toWire(await itemOf(actor, id, call)) };
    },

    delegateItem: async ({ id, to }, call) => {
      const actor = await actorOf(deps, call);
      const user = await db.read((on) => findUserDetails(on, to), held(call));
      if (user === undefined || user.disabled) {
        throw new SallyportError('NOT_FOUND', { message: `there is no user "${to}" who could do it` });
      }
      await db.tx((trx) => delegateItem(trx, actor, id, user.name), again(call));
      return { item: toWire(await itemOf(actor, id, call)) };
    },
  };
}

const states: Readonly<Record<State, ItemState>> = {
  open: ItemState.OPEN,
  done: ItemState.DONE,
  expired: ItemState.EXPIRED,
  withdrawn: ItemState.WITHDRAWN,
};

function toWire(item: ItemInfo) {
  const { id, taskId, title, formId, formType, draftVersion, escalated } = item;
  return {
    ...{ id, taskId, title, formId, formType, draftVersion, escalated },
    detailsJson: JSON.stringify(item.details),
    state: states[item.state],
    candidates: [...item.candidates],
    claimedBy: item.claimedBy ?? '',
    draftJson: item.draftJson ?? '',
    draftBy: item.draftBy ?? '',
    resultJson: item.resultJson ?? '',
    completedBy: item.completedBy ?? '',
    handed: item.handed.map(({ by, to, atMs }) => ({ by, to, at: timestampFromMs(atMs) })),
    createdAt: timestampFromMs(item.createdMs),
    ...(item.draftMs !== undefined && { draftAt: timestampFromMs(item.draftMs) }),
    ...(item.escalateMs !== undefined && { escalatesAt: timestampFromMs(item.escalateMs) }),
    ...(item.dueMs !== undefined && { dueAt: timestampFromMs(item.dueMs) }),
    ...(item.endedMs !== undefined && { endedAt: timestampFromMs(item.endedMs) }),
  };
}
