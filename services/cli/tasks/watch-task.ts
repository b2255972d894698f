import { SallyportError } from '#core/errors/error.ts';
import { type HistoryEntry, type Task, TaskService, TaskState } from '#gen/sallyport/task/v1/task_pb.js';
import { askTier } from '../ask-tier.ts';
import type { CommandContext } from '../command.ts';
import type { Outcome } from '../report.ts';
import { entryLine, stateText, taskJson, taskLines } from './task-text.ts';

/** Milliseconds after which a stream is begun anew where it was: a pod that hangs says nothing. */
const streamMs = 8000;

/** `sallyport tasks watch` */
export async function runTaskWatch(id: string, command: CommandContext): Promise<Outcome> {
  const { report } = command;
  const task = await followTask(id, command, (entry) => report.say(entryLine(entry)));
  for (const line of taskLines(task)) report.say(line);
  return { ok: task.state === TaskState.DONE, items: { task: taskJson(task) } };
}

/** Resolves when it has ended, whichever pods do meanwhile. @throws NOT_FOUND, and the signal's reason */
export async function followTask(
  id: string,
  command: CommandContext,
  onEntry: (entry: HistoryEntry) => void,
): Promise<Task> {
  const { report, signal } = command;
  const told = new Set<string>();
  let position = 0n;
  let shown = '';
  for (;;) {
    const ended = await askTier(command, TaskService, async (service) => {
      try {
        for await (const news of service.watchTask({ id, position }, { signal, timeoutMs: streamMs })) {
          position = news.position;
          if (news.kind.case === 'entry') {
            const { name, state, attempts, lastAt } = news.kind.value;
            const as = `${name} ${state} ${attempts} ${lastAt?.seconds}.${lastAt?.nanos}`;
            if (!told.has(as)) onEntry(news.kind.value);
            told.add(as);
          } else if (news.kind.case === 'task') {
            const task = news.kind.value;
            if (task.state !== TaskState.OPEN && task.state !== TaskState.DEAD) return task;
            const now = stateText(task);
            if (now !== shown && task.state === TaskState.DEAD) {
              report.say(`it is put aside (${task.error?.message}): \`tasks retry\`, \`skip\` or \`cancel\``);
            }
            shown = now;
          }
        }
      } catch (thrown) {
        if (SallyportError.from(thrown).status !== 'DEADLINE_EXCEEDED') throw thrown;
      }
      return undefined;
    });
    signal.throwIfAborted();
    if (ended !== undefined) return ended;
  }
}
