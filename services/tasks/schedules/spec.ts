import { create, fromJson, type JsonValue, toJson } from '@bufbuild/protobuf';
import { SallyportError } from '#core/errors/error.ts';
import { MissedRuns, type ScheduleSpec, ScheduleSpecSchema } from '#gen/sallyport/task/v1/schedule_pb.js';
import type { Json } from '../engine/json.ts';
import { type Cron, parseCron } from './cron.ts';
import type { Missed, RunRules } from './plan-run.ts';

export const specToText = (spec: ScheduleSpec): string => JSON.stringify(toJson(ScheduleSpecSchema, spec));

/** What a newer release has added is left alone. */
export const specFromText = (text: string): ScheduleSpec =>
  fromJson(ScheduleSpecSchema, JSON.parse(text) as JsonValue, { ignoreUnknownFields: true });

const missedOf: Readonly<Record<MissedRuns, Missed>> = {
  [MissedRuns.UNSPECIFIED]: 'once',
  [MissedRuns.SKIP]: 'skip',
  [MissedRuns.ONCE]: 'once',
  [MissedRuns.ALL]: 'all',
};
const defaultKeep = 10;

export const rulesOf = ({ missed, keep, jitterSeconds }: ScheduleSpec): RunRules => ({
  missed: missedOf[missed],
  keep: keep === 0 ? defaultKeep : keep,
  jitterMs: jitterSeconds * 1000,
});

/** @throws SCHEDULE_INVALID */
export const cronOf = ({ cron, timeZone }: ScheduleSpec): Cron =>
  parseCron(cron, timeZone === '' ? 'UTC' : timeZone);

/** @throws SCHEDULE_INVALID when it is not JSON */
export function inputOf({ inputJson }: ScheduleSpec): Json {
  try {
    return inputJson === '' ? null : (JSON.parse(inputJson) as Json);
  } catch (cause) {
    throw new SallyportError('SCHEDULE_INVALID', {
      message: `the input is not JSON: ${String(cause)}`,
      cause,
    });
  }
}

/** Where a run may be; undefined: anywhere. */
export const hostsOf = ({ hosts }: ScheduleSpec): readonly string[] | undefined =>
  hosts.length === 0 || hosts.includes('localhost') ? undefined : hosts;

/** What the contract's rules cannot say. @throws SCHEDULE_INVALID */
export function checkSpec(spec: ScheduleSpec): ScheduleSpec {
  cronOf(spec);
  inputOf(spec);
  return create(ScheduleSpecSchema, spec);
}
