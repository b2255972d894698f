import { SallyportError } from '#core/errors/error.ts';
import type { TaskService } from '#gen/sallyport/task/v1/task_pb.js';
import type { CallContext, Handlers } from '#kernel/rpc/handlers.ts';
import { held } from '#kernel/rpc/hold.ts';
import { findTask, historyOf } from '#services/tasks/store/read-tasks.ts';
import type { HistoryRow, TaskInfo } from '#services/tasks/store/task-store.ts';
import type { TaskDeps } from './task-service.ts';
import { requireOwn, type Visitor, visitorOf } from './visitors.ts';
import { entryToWire, taskToWire } from './wire.ts';

/** Streams at a time at one pod. */
const maxWatches = 100;
/** Milliseconds between two looks, while something happens, and when nothing does. */
const firstMs = 250;
const longestMs = 2000;

/** Looks again and again: the workers write past this pod. */
export function watchTask(deps: TaskDeps): Handlers<typeof TaskService>['watchTask'] {
  let watches = 0;
  return async function* ({ id, position }, call) {
    const visitor = await visitorOf(deps.admins, call);
    if (watches >= maxWatches) {
      throw new SallyportError('OVERLOADED', {
        message: `${maxWatches} tasks are watched here`,
        retryAfterMs: 5000,
      });
    }
    watches += 1;
    try {
      yield* changesOf(deps, visitor, id, Number(position), call);
    } finally {
      watches -= 1;
    }
  };
}

async function* changesOf(deps: TaskDeps, visitor: Visitor, id: string, from: number, call: CallContext) {
  let position = from;
  const told = new Map<string, string>();
  let taskTold = '';
  let pauseMs = firstMs;
  for (;;) {
    // In this order: what is read of one that has ended is all of it.
    const [task, rows] = await deps.db.read(
      async (on) => [await findTask(on, id), await historyOf(on, id, position)] as const,
      held(call),
    );
    const found = requireOwn(visitor, task, id);
    for (const row of rows.toSorted((a, b) => a.lastMs - b.lastMs)) {
      const as = stateOfRow(row);
      if (told.get(row.name) === as) continue;
      told.set(row.name, as);
      position = row.lastMs;
      pauseMs = firstMs;
      yield { position: BigInt(position), kind: { case: 'entry' as const, value: entryToWire(row) } };
    }
    const as = stateOfTask(found);
    if (as !== taskTold) {
      taskTold = as;
      yield { position: BigInt(position), kind: { case: 'task' as const, value: taskToWire(found) } };
    }
    if (found.state !== 'open' && found.state !== 'dead') return;
    await deps.clock.sleep(pauseMs, call.signal);
    pauseMs = Math.min(pauseMs * 1.25, longestMs);
  }
}

const stateOfRow = ({ lastMs, state, attempts }: HistoryRow): string => `${lastMs} ${state} ${attempts}`;
const stateOfTask = ({ state, cancelRequested }: TaskInfo): string => `${state} ${cancelRequested}`;
