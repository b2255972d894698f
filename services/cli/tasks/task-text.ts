import { toJson } from '@bufbuild/protobuf';
import {
  EntryState,
  type HistoryEntry,
  HistoryEntrySchema,
  type Task,
  TaskSchema,
  TaskState,
} from '#gen/sallyport/task/v1/task_pb.js';
import { timeText } from '../time-text.ts';

export const stateNames = ['open', 'done', 'failed', 'cancelled', 'dead'] as const;
export type StateName = (typeof stateNames)[number];

const states: Readonly<Record<StateName, TaskState>> = {
  open: TaskState.OPEN,
  done: TaskState.DONE,
  failed: TaskState.FAILED,
  cancelled: TaskState.CANCELLED,
  dead: TaskState.DEAD,
};
const entryStates: Readonly<Record<EntryState, string>> = {
  [EntryState.UNSPECIFIED]: '',
  [EntryState.DONE]: 'done',
  [EntryState.FAILED]: 'failed',
  [EntryState.TRYING]: 'trying',
  [EntryState.WAITING]: 'waiting',
};

export const stateToWire = (name: StateName): TaskState => states[name];
export function stateText({ state, cancelRequested }: Pick<Task, 'state' | 'cancelRequested'>): string {
  const name = stateNames.find((each) => states[each] === state) ?? 'of a newer release';
  return name === 'open' && cancelRequested ? 'being cancelled' : name;
}

export const taskJson = (task: Task) => toJson(TaskSchema, task, { alwaysEmitImplicit: true });
export const entryJson = (entry: HistoryEntry) =>
  toJson(HistoryEntrySchema, entry, { alwaysEmitImplicit: true });

export function taskLines(task: Task): string[] {
  const { id, kind, version, submitter, inputJson, resultJson, error } = task;
  return [
    `${id}  ${kind} ${version}, ${stateText(task)}`,
    `by ${submitter}, ${timeText(task.createdAt)}${task.endedAt ? ` to ${timeText(task.endedAt)}` : ''}`,
    ...(inputJson === '' ? [] : [`given  ${inputJson}`]),
    ...(resultJson === '' ? [] : [`gave   ${resultJson}`]),
    ...(error === undefined ? [] : [`error  ${error.reason}: ${error.message}`]),
  ];
}

export function entryLine(entry: HistoryEntry): string {
  const { name, state, attempts, error, resultJson } = entry;
  const tries = attempts > 1 ? ` (${attempts} tries)` : '';
  const until = entry.dueAt === undefined ? '' : ` until ${timeText(entry.dueAt)}`;
  const what = error === undefined ? resultJson : `${error.reason}: ${error.message}`;
  return `${timeText(entry.lastAt)}  ${name}: ${entryStates[state]}${tries}${until} ${what}`.trimEnd();
}
