import { randomUUID } from 'node:crypto';
import { open, rm } from 'node:fs/promises';
import { type MessageInitShape, toJson } from '@bufbuild/protobuf';
import { SallyportError } from '#core/errors/error.ts';
import {
  MissedRuns,
  type Schedule,
  ScheduleSchema,
  ScheduleService,
  type ScheduleSpecSchema,
} from '#gen/sallyport/task/v1/schedule_pb.js';
import { askTier } from '../ask-tier.ts';
import type { CommandContext, CommonOptions } from '../command.ts';
import { UsageError } from '../failure.ts';
import type { Outcome } from '../report.ts';
import { table } from '../table.ts';
import { timeText } from '../time-text.ts';

export interface AddOptions extends CommonOptions {
  readonly kind?: string;
  readonly cron?: string;
  readonly zone?: string;
  readonly input?: string;
  readonly missed?: 'skip' | 'once' | 'all';
  readonly keep?: number;
  readonly jitter?: number;
  readonly hosts?: string;
}

export interface ReportOptions extends CommonOptions {
  readonly out: string;
}

const missedOf = { skip: MissedRuns.SKIP, once: MissedRuns.ONCE, all: MissedRuns.ALL } as const;
const json = (schedule: Schedule) => toJson(ScheduleSchema, schedule, { alwaysEmitImplicit: true });

/** `sallyport schedules list` */
export async function runScheduleList(command: CommandContext): Promise<Outcome> {
  const { report } = command;
  const schedules = await all(command);
  const head = ['name', 'task', 'when', 'next', 'last', ''];
  const rows = schedules.map(({ name, spec, paused, nextAt, lastAt, lastTask }) => [
    name,
    spec?.kind ?? '',
    `${spec?.cron ?? ''} ${spec?.timeZone || 'UTC'}`,
    paused ? 'paused' : nextAt === undefined ? 'never' : timeText(nextAt),
    lastAt === undefined ? 'never' : timeText(lastAt),
    lastTask,
  ]);
  if (rows.length > 0) for (const line of table(head, rows)) report.say(line);
  report.say(`${schedules.length} ${schedules.length === 1 ? 'schedule' : 'schedules'}`);
  return { ok: true, items: { items: schedules.map(json) } };
}

/** `sallyport schedules add` */
export function runScheduleAdd(name: string, o: AddOptions, command: CommandContext): Promise<Outcome> {
  if (o.cron === undefined) {
    throw new UsageError('a schedule needs --cron', '`sallyport schedules add --help` has examples');
  }
  return put(name, changed({}, o), 0, command);
}

/** `sallyport schedules set` */
export async function runScheduleSet(name: string, o: AddOptions, command: CommandContext): Promise<Outcome> {
  const before = (await all(command)).find((each) => each.name === name);
  if (before === undefined)
    throw new SallyportError('NOT_FOUND', { message: `there is no schedule "${name}"` });
  return put(name, changed(before.spec ?? {}, o), before.revision, command);
}

/** `sallyport schedules pause` and `resume` */
export async function runSchedulePause(
  name: string,
  paused: boolean,
  command: CommandContext,
): Promise<Outcome> {
  const { signal } = command;
  const { schedule } = await askTier(command, ScheduleService, (tier) =>
    tier.pauseSchedule({ name, paused }, { signal }),
  );
  return told(schedule, command);
}

/** `sallyport schedules run` */
export async function runScheduleRun(name: string, command: CommandContext): Promise<Outcome> {
  const { report, signal } = command;
  const request = { requestKey: randomUUID(), name };
  const { taskId } = await askTier(command, ScheduleService, (tier) => tier.runSchedule(request, { signal }));
  report.say(`${taskId} has begun: \`sallyport tasks watch ${taskId}\``);
  return { ok: true, items: { taskId } };
}

/** `sallyport schedules remove` */
export async function runScheduleRemove(name: string, command: CommandContext): Promise<Outcome> {
  const { report, signal } = command;
  const request = { requestKey: randomUUID(), name };
  await askTier(command, ScheduleService, (tier) => tier.removeSchedule(request, { signal }));
  report.say(`${name} is removed.`);
  return { ok: true };
}

/** `sallyport schedules report` */
export async function runReport(
  taskId: string,
  { out }: ReportOptions,
  command: CommandContext,
): Promise<Outcome> {
  const { report, signal } = command;
  const read = (piece: number) =>
    askTier(command, ScheduleService, (tier) => tier.readReport({ taskId, piece }, { signal }));
  const first = await read(0);
  let bytes = 0;
  try {
    const file = await open(out, 'wx', 0o600);
    try {
      for (let n = 0; n < first.pieces; n++) {
        const { data } = n === 0 ? first : await read(n);
        await file.write(data);
        bytes += data.byteLength;
      }
    } catch (error) {
      await rm(out, { force: true });
      throw error;
    } finally {
      await file.close();
    }
  } catch (error) {
    if (error instanceof SallyportError) throw error;
    throw new UsageError(
      `${out} cannot be written: ${error instanceof Error ? error.message : String(error)}`,
      'name another file with --out',
    );
  }
  report.say(`${out}: ${bytes} bytes of ${first.mediaType}`);
  return { ok: true, items: { file: out, bytes, mediaType: first.mediaType } };
}

type SpecInit = MessageInitShape<typeof ScheduleSpecSchema>;

/** What is given replaces what there was. */
function changed({ $typeName: _, ...before }: SpecInit, o: AddOptions): SpecInit {
  return {
    ...before,
    ...(o.kind !== undefined && { kind: o.kind }),
    ...(o.cron !== undefined && { cron: o.cron }),
    ...(o.zone !== undefined && { timeZone: o.zone }),
    ...(o.input !== undefined && { inputJson: o.input }),
    ...(o.missed !== undefined && { missed: missedOf[o.missed] }),
    ...(o.keep !== undefined && { keep: o.keep }),
    ...(o.jitter !== undefined && { jitterSeconds: o.jitter }),
    ...(o.hosts !== undefined && { hosts: o.hosts.split(',').map((each) => each.trim()) }),
  };
}

async function all(command: CommandContext): Promise<readonly Schedule[]> {
  const { signal } = command;
  const { schedules } = await askTier(command, ScheduleService, (tier) => tier.listSchedules({}, { signal }));
  return schedules;
}

async function put(
  name: string,
  spec: SpecInit,
  revision: number,
  command: CommandContext,
): Promise<Outcome> {
  const { signal } = command;
  const request = { requestKey: randomUUID(), name, spec, revision };
  const { schedule } = await askTier(command, ScheduleService, (tier) =>
    tier.putSchedule(request, { signal }),
  );
  return told(schedule, command);
}

function told(schedule: Schedule | undefined, { report }: CommandContext): Outcome {
  if (schedule === undefined)
    throw new SallyportError('MALFORMED', { message: 'the answer has no schedule' });
  const { name, spec, paused, nextAt } = schedule;
  const next = paused ? 'paused' : nextAt === undefined ? 'never again' : `next ${timeText(nextAt)}`;
  report.say(`${name}: ${spec?.kind} at ${spec?.cron} ${spec?.timeZone || 'UTC'}, ${next}`);
  return { ok: true, items: { schedule: json(schedule) } };
}
