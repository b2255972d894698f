import { SallyportError } from '#core/errors/error.ts';
import type { TaskService } from '#gen/sallyport/task/v1/task_pb.js';
import type { Db } from '#kernel/db/db.ts';
import type { CallContext, Handlers } from '#kernel/rpc/handlers.ts';
import { held } from '#kernel/rpc/hold.ts';
import { readPage } from '#kernel/rpc/page.ts';
import type { Clock } from '#kernel/time/clock.ts';
import { checkInput } from '#services/tasks/check-input.ts';
import { cancelTask, messageTask, reviveTask, submitTask } from '#services/tasks/store/change-tasks.ts';
import { isReserved } from '#services/tasks/store/ids.ts';
import { findTask, historyOf, listKinds, listTasks } from '#services/tasks/store/read-tasks.ts';
import type { TaskInfo } from '#services/tasks/store/task-store.ts';
import type { Administrators } from '../authorize/administrators.ts';
import type { SecurityTables } from '../store/tables.ts';
import { readPageToken, pageToken as tokenOf } from './page-token.ts';
import { requireOwn, visitorOf } from './visitors.ts';
import { watchTask } from './watch-task.ts';
import { entryToWire, readJson, stateOfWire, taskInList, taskToWire } from './wire.ts';
import type { WorkBell } from './work-bell.ts';

export interface TaskDeps {
  readonly db: Db<SecurityTables>;
  readonly admins: Administrators;
  readonly bell: Pick<WorkBell, 'ring'>;
  /** Database time. */
  readonly clock: Clock;
}

/** Tasks, for whoever submits and looks after them. Workers run them, past this. */
export function taskService(deps: TaskDeps): Omit<Handlers<typeof TaskService>, 'awaitWork'> {
  const { db, admins, bell } = deps;
  const own = async (id: string, call: CallContext): Promise<TaskInfo> => {
    const visitor = await visitorOf(admins, call);
    return requireOwn(visitor, await db.read((on) => findTask(on, id), held(call)), id);
  };
  /** All of them say the same, or that it has ended, when they are repeated. */
  const again = (call: CallContext) => ({ idempotent: true, ...held(call) });

  return {
    submitTask: async ({ requestKey, kind, inputJson }, call) => {
      const visitor = await visitorOf(admins, call);
      const input = readJson('input_json', inputJson);
      const known = await db.read(listKinds, held(call));
      const newest = known.find((each) => each.kind === kind);
      if (newest === undefined) {
        throw new SallyportError('TASK_KIND_UNKNOWN', { message: `no worker knows a task "${kind}"` });
      }
      if (!newest.forAnyone && !visitor.everybody) {
        throw new SallyportError('CALLER_NOT_ALLOWED', {
          message: `"${kind}" is submitted by operators and people with the role operator`,
        });
      }
      checkInput(kind, input);
      const task = { kind, version: newest.version, input, submitter: visitor.name, requestKey };
      const { id, created } = await db.tx((trx) => submitTask(trx, task), again(call));
      bell.ring();
      const now = await db.read((on) => findTask(on, id), held(call));
      return { task: taskToWire(requireOwn(visitor, now, id)), created };
    },

    getTask: async ({ id }, call) => {
      const task = await own(id, call);
      const history = await db.read((on) => historyOf(on, id), held(call));
      return { task: taskToWire(task), history: history.map(entryToWire) };
    },

    listTasks: async ({ state, kind, submitter, pageSize, pageToken }, call) => {
      const visitor = await visitorOf(admins, call);
      const before = readPageToken(pageToken);
      const list = (limit: number) =>
        db.read(
          (on) =>
            listTasks(on, {
              state: stateOfWire(state),
              kind: kind === '' ? undefined : kind,
              submitter: visitor.everybody ? submitter || undefined : visitor.name,
              before,
              limit,
            }),
          held(call),
        );
      const { rows, nextPageToken } = await readPage(pageSize, list, tokenOf);
      return { tasks: rows.map(taskInList), nextPageToken };
    },

    watchTask: watchTask(deps),

    signalTask: async ({ id, name, valueJson }, call) => {
      await admins.admit(call);
      if (isReserved(name)) {
        throw new SallyportError('INVALID_FIELD', {
          message: `"${name}" is not the name of a message: people answer work items`,
        });
      }
      const value = readJson('value_json', valueJson);
      await db.tx((trx) => messageTask(trx, id, name, value), again(call));
      bell.ring();
      return {};
    },

    cancelTask: async ({ id }, call) => {
      await own(id, call);
      const task = await db.tx((trx) => cancelTask(trx, id), again(call));
      bell.ring();
      return { task: taskToWire(task) };
    },

    retryTask: async ({ id }, call) => {
      await admins.admit(call);
      await db.tx((trx) => reviveTask(trx, id, undefined), again(call));
      bell.ring();
      return {};
    },

    skipStep: async ({ id, step, resultJson }, call) => {
      await admins.admit(call);
      const result = readJson('result_json', resultJson);
      await db.tx((trx) => reviveTask(trx, id, { step, result }), again(call));
      bell.ring();
      return {};
    },

    listKinds: async (_, call) => {
      await visitorOf(admins, call);
      return { kinds: [...(await db.read(listKinds, held(call)))] };
    },
  };
}
