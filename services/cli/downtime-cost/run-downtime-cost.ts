import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { compare } from '#core/cost/compare.ts';
import { type OutageCost, outageCost } from '#core/cost/outage.ts';
import { SallyportError } from '#core/errors/error.ts';
import type { CommandContext, CommonOptions } from '../command.ts';
import { UsageError } from '../failure.ts';
import { readDocument } from '../policy/read-document.ts';
import type { Figure, Outcome } from '../report.ts';
import { csvReport } from './csv.ts';
import { htmlReport } from './html.ts';
import { assumptionsFile, comparisonOf, readInput, workforceOf } from './input.ts';
import { type MeasuredStalls, measuredIn } from './measured.ts';
import { textReport } from './text.ts';

export interface DowntimeCostOptions extends CommonOptions {
  readonly example?: boolean;
  readonly file?: string;
  readonly population?: number;
  readonly resets?: number;
  readonly hires?: number;
  readonly workingHours?: number;
  readonly rate?: number;
  readonly share?: number;
  readonly people?: number;
  readonly outage?: number;
  readonly drills?: string;
  readonly format: 'text' | 'csv' | 'html';
  readonly out?: string;
  readonly showAssumptions?: boolean;
}

const latest = join(import.meta.dirname, '..', '..', '..', 'docs', 'drills', 'latest.json');
const hoursPerYear = 8766;

/** What the example does not take. */
const inputs = [
  ...(['file', 'population', 'resets', 'hires', 'workingHours', 'rate'] as const),
  ...(['share', 'people', 'outage', 'drills', 'out'] as const),
];
const optionOf = (name: string): string => `--${name.replace(/[A-Z]/, (c) => `-${c.toLowerCase()}`)}`;

/** `sallyport downtime-cost` */
export async function runDowntimeCost(o: DowntimeCostOptions, command: CommandContext): Promise<Outcome> {
  const { report, cwd, clock } = command;
  if (o.showAssumptions) {
    command.out(readFileSync(assumptionsFile, 'utf8'));
    return { ok: true };
  }
  if (o.example) {
    const other = inputs.find((name) => o[name] !== undefined);
    if (other !== undefined)
      throw new UsageError('--example has its own numbers', `leave out --example, or ${optionOf(other)}`);
    return example(command);
  }
  const input = readInput(await givenBy(o, command), o.file ?? 'the options');
  const hours = within('--outage', o.outage ?? 1, hoursPerYear, 'a year has 8,766 hours');
  const people =
    o.people === undefined
      ? undefined
      : within('--people', o.people, input.workforce.population, 'more than there are (--population)');
  const outage = outageCost({ ...workforceOf(input), people }, hours);
  const results = compare(comparisonOf(input, measuredBy(o.drills, cwd)));
  const written =
    o.format === 'csv'
      ? csvReport(results)
      : o.format === 'html'
        ? htmlReport(outage, results, {
            made: new Date(clock.now()).toISOString().slice(0, 10),
            from: o.file ?? 'the assumptions that ship with it',
          })
        : `${textReport(outage, results).join('\n')}\n`;
  if (o.out !== undefined) {
    writeFileSync(resolve(cwd, o.out), written);
    report.say(`wrote ${o.out}`);
  } else if (!report.json) command.out(written);
  const figures = results.flatMap(({ architecture: { name }, availability, totalPerYear }): Figure[] => [
    figure(`${name}: availability`, availability * 100, '%'),
    figure(`${name}: cost`, totalPerYear, 'dollars a year'),
  ]);
  return {
    ok: true,
    figures: report.json ? [...outageFigures(outage), ...figures] : [],
    items: { items: results, outage },
  };
}

/** Without a name those of the last run, if there was one. @throws CONFIG_INVALID */
function measuredBy(drills: string | undefined, cwd: string): MeasuredStalls {
  const file = drills === undefined ? latest : resolve(cwd, drills);
  if (drills !== undefined && !existsSync(file)) {
    const hint = 'leave --drills out for what was measured last';
    throw new SallyportError('CONFIG_INVALID', { message: `${file} is not there`, hint });
  }
  return measuredIn(file);
}

/** 20,000 employees, 130 resets and 30 hires a day, $100 an hour, half of it lost, 2 hours: $2,000. */
function example({ report }: CommandContext): Outcome {
  const textbook = {
    ...{ population: 20_000, resetsPerDay: 130, hiresPerDay: 30, workingHoursPerDay: 8 },
    ...{ dollarsPerHour: 100, shareLost: 0.5 },
  };
  const outage = outageCost(textbook, 2);
  for (const line of outage.working) report.say(line);
  const goals: Readonly<Record<string, number>> = {
    'people affected': 20,
    'cost of an hour': 1000,
    'cost of the outage': 2000,
  };
  const figures = outageFigures(outage).map((each) => ({
    ...each,
    goal: String(goals[each.name]),
    ok: each.value === goals[each.name],
  }));
  return { ok: figures.every(({ ok }) => ok), figures, items: { items: [textbook], outage } };
}

const outageFigures = (outage: OutageCost): Figure[] => [
  figure('people affected', outage.people, 'people'),
  figure('cost of an hour', outage.dollarsPerHour, 'dollars'),
  figure('cost of the outage', outage.dollars, 'dollars'),
];

const figure = (name: string, value: number, unit: string): Figure => ({
  ...{ name, value, unit, goal: '', ok: true },
});

/** The file, with what single options say in its place. */
async function givenBy(o: DowntimeCostOptions, command: CommandContext): Promise<unknown> {
  const file = o.file === undefined ? {} : await readDocument(o.file, command);
  if (typeof file !== 'object' || file === null || Array.isArray(file)) {
    throw new SallyportError('CONFIG_INVALID', {
      message: `${o.file} does not hold the fields of a calculation`,
      hint: '`sallyport downtime-cost --show-assumptions` prints such a file',
    });
  }
  const options = Object.entries({
    population: o.population,
    resets_per_day: o.resets,
    hires_per_day: o.hires,
    working_hours_per_day: o.workingHours,
    dollars_per_person_hour: o.rate,
    share_lost: o.share,
  }).filter(([, value]) => value !== undefined);
  if (options.length === 0) return file;
  const { workforce, ...rest } = file as Record<string, unknown>;
  return { ...rest, workforce: { ...(workforce as object | undefined), ...Object.fromEntries(options) } };
}

function within(option: string, value: number, max: number, why: string): number {
  if (value >= 0 && value <= max) return value;
  throw new UsageError(
    `${option} is ${value}`,
    value < 0 ? `${option} cannot be less than 0` : `${option}: ${why}`,
  );
}
