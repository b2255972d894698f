import { type DescMessage, fromJson, type JsonValue, type MessageShape } from '@bufbuild/protobuf';
import { ApprovalFormSchema, Decision } from '#gen/sallyport/task/v1/work_item_pb.js';
import type { Ask, TaskContext } from '../engine/definition.ts';

export interface Approval {
  readonly approved: boolean;
  /** `person/anna` */
  readonly by: string;
  readonly comment: string;
}

/** Waits until somebody has said yes or no; undefined after `withinMs`. @param name unique within the task */
export async function approval(
  context: Pick<TaskContext, 'ask'>,
  name: string,
  item: Omit<Ask, 'form'>,
): Promise<Approval | undefined> {
  const answer = await form(context, name, { ...item, form: ApprovalFormSchema });
  if (answer === undefined) return undefined;
  const { decision, comment } = answer.values;
  return { approved: decision === Decision.APPROVE, by: answer.by, comment };
}

export interface Filled<S extends DescMessage> {
  /** `person/anna` */
  readonly by: string;
  readonly values: MessageShape<S>;
}

/** Waits until somebody has filled in a form; undefined after `withinMs`. @param name unique within the task */
export async function form<S extends DescMessage>(
  context: Pick<TaskContext, 'ask'>,
  name: string,
  item: Omit<Ask, 'form'> & { readonly form: S },
): Promise<Filled<S> | undefined> {
  const answer = await context.ask(name, item);
  if (answer === undefined) return undefined;
  return {
    by: answer.by,
    values: fromJson(item.form, answer.form as JsonValue, { ignoreUnknownFields: true }),
  };
}
