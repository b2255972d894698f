import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import type { Cause, Comparison, Sourced } from '#core/cost/compare.ts';
import type { Workforce } from '#core/cost/outage.ts';
import { SallyportError } from '#core/errors/error.ts';
import type { MeasuredStalls } from './measured.ts';

const dollars = z.number().min(0).max(1e9);
const share = z.number().min(0, 'is a share: from 0 to 1').max(1, 'is a share: from 0 to 1');
/** People in the world, as a bound against slips of the finger. */
const people = z.number().min(0).max(1e10);
const hoursPerYear = 8766;

const duration = z.union([
  z.strictObject({
    value: z.number().min(0).max(3.2e7),
    why: z.string().min(1),
    kind: z.enum(['published', 'assumed']).default('assumed'),
  }),
  z.strictObject({
    /** Rows of the table of drills; of several the one that stalls longest. */
    drill: z.union([z.string().min(1), z.array(z.string().min(1)).min(1)]),
    of: z.enum(['relay', 'login', 'write']).default('relay'),
    else: z.strictObject({ value: z.number().min(0).max(3.2e7), why: z.string().min(1) }),
  }),
]);

const workforce = z.strictObject({
  population: people,
  resets_per_day: people,
  hires_per_day: people,
  working_hours_per_day: z
    .number()
    .positive('must be more than 0: people are spread over these hours')
    .max(24, 'a day has 24 hours'),
  working_days_per_year: z.number().min(0).max(366, 'a year has 366 days at most'),
  dollars_per_person_hour: dollars,
  share_lost: share,
});

const cause = z.strictObject({
  about: z.string().min(1),
  per_year: z.number().min(0).max(1e6),
  why: z.string().min(1),
  work: share.optional(),
  login_again: z.array(z.string()).default([]),
  seconds: z.record(z.string(), duration),
});

export const inputSchema = z.strictObject({
  workforce,
  mobile: z.strictObject({
    /** Of the population; `users_at_once` counts in its place. */
    share_at_once: share,
    users_at_once: people.optional(),
    share_lost: share,
    login_seconds: z.number().min(0).max(3600),
  }),
  architectures: z
    .record(
      z.string().regex(/^[a-z][a-z0-9-]{0,30}$/),
      z.strictObject({
        about: z.string().min(1),
        set_up: dollars,
        machines: z.number().min(0).max(1e6),
        people_hours_per_year: z.number().min(0).max(1e6),
      }),
    )
    .refine((all) => Object.keys(all).length > 0, 'there must be one at least'),
  dollars_per_machine_year: dollars,
  dollars_per_people_hour: dollars,
  causes: z.record(z.string().regex(/^[a-z][a-z0-9-]{0,30}$/), cause),
});
export type Input = z.output<typeof inputSchema>;

export const assumptionsFile = join(import.meta.dirname, 'assumptions.yaml');

/**
 * What to count with: the assumptions, with what the caller gives in their place, section by section and name
 * by name. @throws CONFIG_INVALID, naming each field that is missing, out of range or not known
 */
export function readInput(given: unknown, from: string): Input {
  const assumed: unknown = parse(readFileSync(assumptionsFile, 'utf8'));
  const parsed = inputSchema.safeParse(merged(assumed, given));
  if (!parsed.success) throw invalid(from, z.prettifyError(parsed.error));
  const input = parsed.data;
  const { population, resets_per_day, hires_per_day } = input.workforce;
  if (resets_per_day > population) {
    throw invalid(
      from,
      `workforce: ${resets_per_day} resets a day are more than there are people (${population})`,
    );
  }
  if (hires_per_day > population) {
    throw invalid(
      from,
      `workforce: ${hires_per_day} hires a day are more than there are people (${population})`,
    );
  }
  const { users_at_once = 0 } = input.mobile;
  if (users_at_once > population) {
    throw invalid(
      from,
      `mobile: ${users_at_once} users at once are more than there are people (${population})`,
    );
  }
  for (const [name, { seconds, login_again }] of Object.entries(input.causes)) {
    const missing = Object.keys(input.architectures).filter((each) => seconds[each] === undefined);
    if (missing.length > 0)
      throw invalid(from, `causes.${name}.seconds: there is none for ${missing.join(', ')}`);
    const unknown = login_again.filter((each) => input.architectures[each] === undefined);
    if (unknown.length > 0)
      throw invalid(from, `causes.${name}.login_again: there is no ${unknown.join(', ')}`);
  }
  return input;
}

function invalid(from: string, what: string): SallyportError {
  return new SallyportError('CONFIG_INVALID', {
    message: `${from}: ${what}`,
    hint: '`sallyport downtime-cost --show-assumptions` prints all fields with what they mean',
  });
}

/** Objects are merged by name, all else is replaced. A duration is replaced whole. */
function merged(under: unknown, over: unknown): unknown {
  if (over === undefined) return under;
  if (!isPlain(under) || !isPlain(over) || 'value' in over || 'drill' in over) return over;
  const result: Record<string, unknown> = { ...under };
  for (const [name, value] of Object.entries(over)) result[name] = merged(under[name], value);
  return result;
}

const isPlain = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export function workforceOf({ workforce: w }: Input): Workforce {
  return {
    population: w.population,
    resetsPerDay: w.resets_per_day,
    hiresPerDay: w.hires_per_day,
    workingHoursPerDay: w.working_hours_per_day,
    dollarsPerHour: w.dollars_per_person_hour,
    shareLost: w.share_lost,
  };
}

/** The comparison, with what the drills have measured where the input asks for it. */
export function comparisonOf(input: Input, measured: MeasuredStalls): Comparison {
  const { workforce: w, mobile } = input;
  const ofWork = (w.working_hours_per_day * w.working_days_per_year) / hoursPerYear;
  return {
    workforce: workforceOf(input),
    mobile: {
      usersAtOnce: mobile.users_at_once ?? mobile.share_at_once * w.population,
      shareLost: mobile.share_lost,
    },
    loginSeconds: mobile.login_seconds,
    architectures: Object.entries(input.architectures).map(([name, a]) => ({
      ...{ name, about: a.about, setUp: a.set_up },
      machinesPerYear: a.machines * input.dollars_per_machine_year,
      peoplePerYear: a.people_hours_per_year * input.dollars_per_people_hour,
    })),
    causes: Object.entries(input.causes).map(
      ([name, c]): Cause => ({
        name,
        perYear: { value: c.per_year, source: c.why, kind: 'assumed' },
        duringWork: c.work ?? Math.min(1, ofWork),
        loginAgain: new Set(c.login_again),
        seconds: Object.fromEntries(
          Object.entries(c.seconds).map(([architecture, d]) => [architecture, durationOf(d, measured)]),
        ),
      }),
    ),
  };
}

function durationOf(given: z.output<typeof duration>, measured: MeasuredStalls): Sourced {
  if ('value' in given) return { value: given.value, source: given.why, kind: given.kind };
  const drills = [given.drill].flat();
  const found = drills.map((drill) => measured(drill, given.of)).filter((each) => each !== undefined);
  const [worst] = found.sort((a, b) => b.value - a.value);
  if (worst !== undefined) return worst;
  const source = `${given.else.why}; not measured yet: ${drills.join(', ')}`;
  return { value: given.else.value, source, kind: 'assumed' };
}
