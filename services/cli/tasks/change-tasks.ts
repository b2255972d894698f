import { randomUUID } from 'node:crypto';
import { SallyportError } from '#core/errors/error.ts';
import { TaskService } from '#gen/sallyport/task/v1/task_pb.js';
import { askTier } from '../ask-tier.ts';
import type { CommandContext, CommonOptions } from '../command.ts';
import { readText } from '../read-text.ts';
import type { Outcome } from '../report.ts';
import { stateText, taskJson } from './task-text.ts';
import { runTaskWatch } from './watch-task.ts';

export interface SubmitOptions extends CommonOptions {
  readonly input?: string;
  readonly key?: string;
  readonly watch?: boolean;
}

export interface SkipOptions extends CommonOptions {
  readonly result: string;
}

const maxInput = 1_000_000;

/** `sallyport tasks submit` */
export async function runTaskSubmit(
  kind: string,
  o: SubmitOptions,
  command: CommandContext,
): Promise<Outcome> {
  const { report, signal } = command;
  const inputJson = o.input === undefined ? '' : (await readText(o.input, command, maxInput)).trim();
  const request = { kind, inputJson, requestKey: o.key ?? randomUUID() };
  const { task, created } = await askTier(command, TaskService, (service) =>
    service.submitTask(request, { signal }),
  );
  if (task === undefined) throw new SallyportError('MALFORMED', { message: 'the answer has no task' });
  report.say(created ? `${task.id} is submitted.` : `${task.id} was there already: ${stateText(task)}`);
  if (o.watch) return runTaskWatch(task.id, command);
  return { ok: true, items: { task: taskJson(task), created } };
}

/** `sallyport tasks cancel` */
export async function runTaskCancel(id: string, command: CommandContext): Promise<Outcome> {
  const { report, signal } = command;
  const { task } = await askTier(command, TaskService, (service) => service.cancelTask({ id }, { signal }));
  if (task === undefined) throw new SallyportError('MALFORMED', { message: 'the answer has no task' });
  report.say(`${id}: ${stateText(task)}`);
  return { ok: true, items: { task: taskJson(task) } };
}

/** `sallyport tasks signal` */
export async function runTaskSignal(
  id: string,
  name: string,
  valueJson: string,
  command: CommandContext,
): Promise<Outcome> {
  const { report, signal } = command;
  await askTier(command, TaskService, (service) => service.signalTask({ id, name, valueJson }, { signal }));
  report.say(`${id} has got "${name}".`);
  return { ok: true };
}

/** `sallyport tasks retry` */
export async function runTaskRetry(id: string, command: CommandContext): Promise<Outcome> {
  const { report, signal } = command;
  await askTier(command, TaskService, (service) => service.retryTask({ id }, { signal }));
  report.say(`${id} goes on.`);
  return { ok: true };
}

/** `sallyport tasks skip` */
export async function runTaskSkip(
  id: string,
  step: string,
  { result }: SkipOptions,
  command: CommandContext,
): Promise<Outcome> {
  const { report, signal } = command;
  await askTier(command, TaskService, (service) =>
    service.skipStep({ id, step, resultJson: result }, { signal }),
  );
  report.say(`${id} goes on past "${step}".`);
  return { ok: true };
}
