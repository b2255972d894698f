import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { SallyportError } from '#core/errors/error.ts';
import type { ScheduleService } from '#gen/sallyport/task/v1/schedule_pb.js';
import type { CallContext, Handlers } from '#kernel/rpc/handlers.ts';
import { held } from '#kernel/rpc/hold.ts';
import { checkInput } from '#services/tasks/check-input.ts';
import { readPiece } from '#services/tasks/routine/own-rows.ts';
import {
  listSchedules,
  noSchedule,
  pauseSchedule,
  putSchedule,
  removeSchedule,
  runSchedule,
  type ScheduleInfo,
} from '#services/tasks/schedules/schedule-store.ts';
import { inputOf, specFromText } from '#services/tasks/schedules/spec.ts';
import { listKinds } from '#services/tasks/store/read-tasks.ts';
import { changeKey } from '../authorize/administrators.ts';
import type { TaskDeps } from './task-service.ts';

/** Schedules, for administrators. Workers begin what is due, past this. */
export function scheduleService({
  db,
  admins,
  bell,
}: Omit<TaskDeps, 'clock'>): Handlers<typeof ScheduleService> {
  const find = async (name: string, call: CallContext) => {
    const [row] = await db.read((on) => listSchedules(on, name), held(call));
    if (row === undefined) throw noSchedule(name);
    return { schedule: toWire(row) };
  };
  /** The version of a kind that workers have announced. @throws TASK_KIND_UNKNOWN */
  const versionOf = async (kind: string, call: CallContext): Promise<number> => {
    const known = (await db.read(listKinds, held(call))).find((each) => each.kind === kind);
    if (known !== undefined) return known.version;
    throw new SallyportError('TASK_KIND_UNKNOWN', { message: `no worker knows a task "${kind}"` });
  };

  return {
    listSchedules: async (_request, call) => {
      await admins.admit(call);
      const rows = await db.read((on) => listSchedules(on), held(call));
      return { schedules: rows.map(toWire) };
    },

    putSchedule: async ({ requestKey, name, spec, revision }, call) => {
      const by = await admins.admit(call);
      if (spec === undefined) throw new SallyportError('MALFORMED');
      await versionOf(spec.kind, call);
      checkInput(spec.kind, inputOf(spec));
      await db.tx((trx) => putSchedule(trx, { name, spec, revision, by: by.name }), {
        key: changeKey(call, by, requestKey),
        ...held(call),
      });
      return find(name, call);
    },

    pauseSchedule: async ({ name, paused }, call) => {
      const by = await admins.admit(call);
      await db.tx((trx) => pauseSchedule(trx, name, paused, by.name), { idempotent: true, ...held(call) });
      return find(name, call);
    },

    runSchedule: async ({ requestKey, name }, call) => {
      await admins.admit(call);
      const [row] = await db.read((on) => listSchedules(on, name), held(call));
      if (row === undefined) throw noSchedule(name);
      const version = await versionOf(specFromText(row.spec_json).kind, call);
      const run = (trx: Parameters<typeof runSchedule>[0]) =>
        runSchedule(trx, name, requestKey, () => version);
      const taskId = await db.tx(run, { idempotent: true, ...held(call) });
      bell.ring();
      return { taskId };
    },

    removeSchedule: async ({ requestKey, name }, call) => {
      const by = await admins.admit(call);
      await db.tx((trx) => removeSchedule(trx, name), {
        key: changeKey(call, by, requestKey),
        ...held(call),
      });
      return {};
    },

    readReport: async ({ taskId, piece }, call) => {
      await admins.admit(call);
      const found = await db.read((on) => readPiece(on, taskId, piece), held(call));
      if (found !== undefined) return found;
      throw new SallyportError('NOT_FOUND', {
        message: `task ${taskId} has written no report, or no piece ${piece}`,
      });
    },
  };
}

function toWire({
  name,
  revision,
  spec_json,
  paused,
  planned_ms,
  last_task,
  last_ms,
  changed_by,
}: ScheduleInfo) {
  return {
    ...{ name, revision, paused: paused === 1, changedBy: changed_by, lastTask: last_task ?? '' },
    spec: specFromText(spec_json),
    ...(planned_ms !== null && paused === 0 && { nextAt: timestampFromMs(planned_ms) }),
    ...(last_ms !== null && { lastAt: timestampFromMs(last_ms) }),
  };
}
