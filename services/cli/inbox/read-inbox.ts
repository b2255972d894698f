import { toJson } from '@bufbuild/protobuf';
import { SallyportError } from '#core/errors/error.ts';
import {
  ItemState,
  type WorkItem,
  WorkItemSchema,
  WorkItemService,
} from '#gen/sallyport/task/v1/work_item_pb.js';
import { askTier } from '../ask-tier.ts';
import type { CommandContext } from '../command.ts';
import { type ListOptions, readList, showList } from '../list.ts';
import type { Outcome } from '../report.ts';
import { timeText } from '../time-text.ts';
import { fieldLines, formMessage } from './form-fields.ts';

export interface InboxListOptions extends ListOptions {
  readonly everybody?: boolean;
  readonly ended?: boolean;
  readonly task?: string;
}

const states: Readonly<Record<ItemState, string>> = {
  [ItemState.UNSPECIFIED]: 'of a newer release',
  [ItemState.OPEN]: 'open',
  [ItemState.DONE]: 'done',
  [ItemState.EXPIRED]: 'expired',
  [ItemState.WITHDRAWN]: 'withdrawn',
};

export const itemJson = (item: WorkItem) => toJson(WorkItemSchema, item, { alwaysEmitImplicit: true });

/** `sallyport inbox list` */
export async function runInboxList(o: InboxListOptions, command: CommandContext): Promise<Outcome> {
  const { signal } = command;
  const filter = { everybody: o.everybody ?? false, ended: o.ended ?? false, taskId: o.task ?? '' };
  const list = await readList(o, command, (page) =>
    askTier(command, WorkItemService, async (service) => {
      const { items, nextPageToken } = await service.listItems({ ...filter, ...page }, { signal });
      return { entries: items, next: nextPageToken };
    }),
  );
  return showList(command, list, {
    what: ['work item', 'work items'],
    head: ['id', 'what', 'for', 'since', 'state'],
    row: (item) => [
      item.id,
      item.title,
      item.claimedBy || item.candidates.join(', '),
      timeText(item.createdAt),
      stateText(item),
    ],
    json: itemJson,
  });
}

const stateText = ({ state, claimedBy, escalated, draftVersion }: WorkItem): string =>
  [
    states[state],
    ...(claimedBy === '' ? [] : ['reserved']),
    ...(escalated ? ['escalated'] : []),
    ...(draftVersion > 0 ? ['begun'] : []),
  ].join(', ');

/** `sallyport inbox show` */
export async function runInboxShow(id: string, command: CommandContext): Promise<Outcome> {
  const { report, signal } = command;
  const { item, form } = await askTier(command, WorkItemService, async (service) => {
    const { item } = await service.getItem({ id }, { signal });
    if (item === undefined) throw new SallyportError('MALFORMED', { message: 'the answer has no item' });
    return { item, form: await service.getForm({ formId: item.formId }, { signal }) };
  });
  const { title, taskId, detailsJson, candidates, claimedBy, draftJson, draftBy, resultJson } = item;
  const lines = [
    `${title}  (${stateText(item)})`,
    `for ${candidates.join(', ')}${claimedBy === '' ? '' : `; reserved by ${claimedBy}`}; task ${taskId}`,
    ...item.handed.map(({ by, to, at }) => `${by} handed it to ${to} ${timeText(at)}`),
    ...(item.dueAt === undefined ? [] : [`until ${timeText(item.dueAt)}`]),
    ...(item.escalatesAt === undefined ? [] : [`others are asked, too, ${timeText(item.escalatesAt)}`]),
    ...(detailsJson === 'null' ? [] : [detailsJson]),
    ...(draftJson === '' ? [] : [`draft ${item.draftVersion} of ${draftBy}: ${draftJson}`]),
    ...(resultJson === '' ? [] : [`${item.completedBy} said ${resultJson}`]),
    'its form:',
    ...fieldLines(formMessage(form)),
  ];
  for (const line of lines) report.say(line);
  return { ok: true, items: { item: itemJson(item) } };
}
