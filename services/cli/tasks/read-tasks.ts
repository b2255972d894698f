import { SallyportError } from '#core/errors/error.ts';
import { TaskService, TaskState } from '#gen/sallyport/task/v1/task_pb.js';
import { askTier } from '../ask-tier.ts';
import type { CommandContext } from '../command.ts';
import { type ListOptions, readList, showList } from '../list.ts';
import type { Outcome } from '../report.ts';
import { timeText } from '../time-text.ts';
import {
  entryJson,
  entryLine,
  type StateName,
  stateText,
  stateToWire,
  taskJson,
  taskLines,
} from './task-text.ts';

export interface TaskListOptions extends ListOptions {
  readonly status?: StateName;
  readonly kind?: string;
  readonly submitter?: string;
}

/** `sallyport tasks list` */
export async function runTaskList(o: TaskListOptions, command: CommandContext): Promise<Outcome> {
  const { signal } = command;
  const filter = {
    kind: o.kind ?? '',
    submitter: o.submitter ?? '',
    state: o.status === undefined ? TaskState.UNSPECIFIED : stateToWire(o.status),
  };
  const list = await readList(o, command, (page) =>
    askTier(command, TaskService, async (service) => {
      const { tasks, nextPageToken } = await service.listTasks({ ...filter, ...page }, { signal });
      return { entries: tasks, next: nextPageToken };
    }),
  );
  return showList(command, list, {
    what: ['task', 'tasks'],
    head: ['id', 'kind', 'state', 'by', 'since'],
    row: (task) => [task.id, task.kind, stateText(task), task.submitter, timeText(task.createdAt)],
    json: taskJson,
  });
}

/** `sallyport tasks show` */
export async function runTaskShow(id: string, command: CommandContext): Promise<Outcome> {
  const { report, signal } = command;
  const { task, history } = await askTier(command, TaskService, (service) =>
    service.getTask({ id }, { signal }),
  );
  if (task === undefined) throw new SallyportError('MALFORMED', { message: 'the answer has no task' });
  for (const line of [...taskLines(task), ...history.map(entryLine)]) report.say(line);
  return { ok: true, items: { task: taskJson(task), history: history.map(entryJson) } };
}

/** `sallyport tasks kinds` */
export async function runTaskKinds(command: CommandContext): Promise<Outcome> {
  const { signal } = command;
  const { kinds } = await askTier(command, TaskService, (service) => service.listKinds({}, { signal }));
  return showList(
    command,
    { entries: kinds, next: '' },
    {
      what: ['kind', 'kinds'],
      head: ['kind', 'version', 'for', 'what it does'],
      row: ({ kind, version, forAnyone, summary }) => [
        kind,
        String(version),
        forAnyone ? 'anyone' : 'operators',
        summary,
      ],
      json: ({ kind, version, forAnyone, summary }) => ({ kind, version, forAnyone, summary }),
    },
  );
}
