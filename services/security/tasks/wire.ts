import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { SallyportError } from '#core/errors/error.ts';
import { EntryState, TaskState } from '#gen/sallyport/task/v1/task_pb.js';
import type { Json } from '#services/tasks/engine/json.ts';
import type {
  HistoryRow,
  JournalRow,
  TaskState as State,
  TaskInfo,
} from '#services/tasks/store/task-store.ts';

const states: Readonly<Record<State, TaskState>> = {
  open: TaskState.OPEN,
  done: TaskState.DONE,
  failed: TaskState.FAILED,
  cancelled: TaskState.CANCELLED,
  dead: TaskState.DEAD,
};
const entryStates: Readonly<Record<JournalRow['state'], EntryState>> = {
  done: EntryState.DONE,
  failed: EntryState.FAILED,
  trying: EntryState.TRYING,
  waiting: EntryState.WAITING,
};

/** Undefined for TASK_STATE_UNSPECIFIED. */
export const stateOfWire = (state: TaskState): State | undefined =>
  (Object.keys(states) as State[]).find((each) => states[each] === state);

const textOf = (value: Json | undefined): string => (value === undefined ? '' : JSON.stringify(value));

export function taskToWire(task: TaskInfo) {
  const { state, input, result, error, parentId = '', createdMs, endedMs, ...rest } = task;
  return {
    ...rest,
    parentId,
    state: states[state],
    inputJson: textOf(input),
    resultJson: textOf(result),
    ...(error && { error }),
    createdAt: timestampFromMs(createdMs),
    ...(endedMs !== undefined && { endedAt: timestampFromMs(endedMs) }),
  };
}

/** For lists: inputs and results may be large. */
export const taskInList = (task: TaskInfo) => ({ ...taskToWire(task), inputJson: '', resultJson: '' });

export function entryToWire(row: HistoryRow) {
  const { name, state, result, error, attempts, dueMs, firstMs, lastMs } = row;
  return {
    ...{ name, attempts },
    state: entryStates[state],
    resultJson: textOf(result),
    ...(error && { error }),
    ...(dueMs !== undefined && { dueAt: timestampFromMs(dueMs) }),
    firstAt: timestampFromMs(firstMs),
    lastAt: timestampFromMs(lastMs),
  };
}

/** Empty stands for null. @throws INVALID_FIELD */
export function readJson(field: string, text: string): Json {
  if (text === '') return null;
  try {
    return JSON.parse(text) as Json;
  } catch (cause) {
    throw new SallyportError('INVALID_FIELD', { message: `${field} is not JSON`, cause });
  }
}
