import { randomUUID } from 'node:crypto';
import { SallyportError } from '#core/errors/error.ts';
import { type WorkItem, WorkItemService } from '#gen/sallyport/task/v1/work_item_pb.js';
import { askTier } from '../ask-tier.ts';
import type { CommandContext, CommonOptions } from '../command.ts';
import { UsageError } from '../failure.ts';
import { readText } from '../read-text.ts';
import type { Outcome } from '../report.ts';
import { formMessage, typedFields } from './form-fields.ts';
import { itemJson } from './read-inbox.ts';

export interface FormOptions extends CommonOptions {
  readonly set?: readonly string[];
  readonly form?: string;
}

export interface DelegateOptions extends CommonOptions {
  readonly to: string;
}

const maxForm = 65_536;

/** `sallyport inbox claim`, `release` */
export async function runReserve(
  verb: 'claim' | 'release',
  id: string,
  command: CommandContext,
): Promise<Outcome> {
  const { report, signal } = command;
  const item = await askTier(command, WorkItemService, async (service) => {
    const { item } = await (verb === 'claim'
      ? service.claimItem({ id }, { signal })
      : service.releaseItem({ id }, { signal }));
    return item;
  });
  report.say(verb === 'claim' ? `${id} is reserved for you.` : `${id} is free again.`);
  return done(item);
}

/** `sallyport inbox draft` */
export async function runDraft(id: string, o: FormOptions, command: CommandContext): Promise<Outcome> {
  const { report, signal } = command;
  const { item, json } = await filled(id, o, command);
  if (json === undefined) throw new UsageError('nothing has been typed', 'give --set or --form');
  const request = { requestKey: randomUUID(), id, version: item.draftVersion, draftJson: json };
  const { version } = await askTier(command, WorkItemService, (service) =>
    service.saveDraft(request, { signal }),
  );
  report.say(`Version ${version} of the draft is kept.`);
  return { ok: true, items: { id, version } };
}

/** `sallyport inbox complete` */
export async function runComplete(id: string, o: FormOptions, command: CommandContext): Promise<Outcome> {
  const { report, signal } = command;
  const { item, json = '' } = await filled(id, o, command);
  const request = { requestKey: randomUUID(), id, version: item.draftVersion, formJson: json };
  const answer = await askTier(command, WorkItemService, (service) =>
    service.completeItem(request, { signal }),
  );
  report.say(`${id} is done.`);
  return done(answer.item);
}

/** `sallyport inbox delegate` */
export async function runDelegate(
  id: string,
  { to }: DelegateOptions,
  command: CommandContext,
): Promise<Outcome> {
  const { report, signal } = command;
  const { item } = await askTier(command, WorkItemService, (service) =>
    service.delegateItem({ id, to }, { signal }),
  );
  report.say(`${to} has ${id} now.`);
  return done(item);
}

function done(item: WorkItem | undefined): Outcome {
  if (item === undefined) throw new SallyportError('MALFORMED', { message: 'the answer has no item' });
  return { ok: true, items: { item: itemJson(item) } };
}

/** The item as it is, and the form with what was typed; undefined: nothing was. */
async function filled(
  id: string,
  o: FormOptions,
  command: CommandContext,
): Promise<{ item: WorkItem; json: string | undefined }> {
  const { signal } = command;
  if (o.form !== undefined && o.set !== undefined) {
    throw new UsageError('--form is the whole form already', 'leave out --set');
  }
  const { item, form } = await askTier(command, WorkItemService, async (service) => {
    const { item } = await service.getItem({ id }, { signal });
    if (item === undefined) throw new SallyportError('MALFORMED', { message: 'the answer has no item' });
    return { item, form: await service.getForm({ formId: item.formId }, { signal }) };
  });
  if (o.form !== undefined) return { item, json: (await readText(o.form, command, maxForm)).trim() };
  if (o.set === undefined) return { item, json: undefined };
  const before = item.draftJson === '' ? {} : (JSON.parse(item.draftJson) as object);
  return { item, json: JSON.stringify({ ...before, ...typedFields(formMessage(form), o.set) }) };
}
