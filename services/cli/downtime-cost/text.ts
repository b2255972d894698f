import type { ArchitectureResult, Investment } from '#core/cost/compare.ts';
import { money, type OutageCost, plain } from '#core/cost/outage.ts';
import { table } from '../table.ts';

const none = '—';

/** The outage and the comparison, for people. */
export function textReport(outage: OutageCost, results: readonly ArchitectureResult[]): string[] {
  return [
    'An outage',
    ...outage.working.map((line) => `  ${line}`),
    '',
    'Architectures, a year',
    ...table(
      ['', 'down', 'availability', 'outages', 'running', 'together'],
      results.map((each) => [
        each.architecture.name,
        lasting(each.secondsPerYear),
        percent(each.availability),
        money(Math.round(each.outagePerYear)),
        money(Math.round(each.runningPerYear)),
        money(Math.round(each.totalPerYear)),
      ]),
    ),
    '',
    `What it brings, against ${results[0]?.architecture.name ?? 'nothing'}`,
    ...table(
      ['', 'saved a year', 'more a year', 'once', 'return in the first year', 'payback', 'break-even'],
      results.flatMap(({ architecture, against }) =>
        against === undefined ? [] : [[architecture.name, ...investmentCells(against)]],
      ),
    ),
    '',
    'Where it comes from',
    ...table(
      ['', 'cause', 'a year', 'each', 'down', 'cost', 'source of the duration'],
      results.flatMap(({ architecture, causes }) =>
        causes.map((each) => [
          architecture.name,
          each.cause,
          plain(each.perYear.value),
          lasting(each.seconds.value),
          lasting(each.secondsPerYear),
          money(Math.round(each.dollarsPerYear)),
          `${each.seconds.kind}: ${each.seconds.source.replace(/^(assumed|published): /, '')}`,
        ]),
      ),
    ),
  ];
}

/** Saved, more a year, once, return, payback, break-even. */
export function investmentCells(of: Investment): readonly string[] {
  return [
    money(Math.round(of.saved)),
    money(Math.round(of.extraPerYear)),
    money(Math.round(of.extraOnce)),
    of.returnOnInvestment === undefined ? none : percent(of.returnOnInvestment, 0),
    of.paybackYears === undefined ? 'never' : `${of.paybackYears.toFixed(2)} years`,
    of.breakEvenPerHour === undefined ? none : `${money(Math.round(of.breakEvenPerHour))} an hour`,
  ];
}

/** As many nines as tell anything. */
export function percent(value: number, digits = 5): string {
  return `${(value * 100).toFixed(digits)} %`;
}

/** Seconds in the largest unit that leaves more than one. */
export function lasting(seconds: number): string {
  if (seconds === 0) return '0 s';
  const units = [
    ['d', 86_400],
    ['h', 3600],
    ['min', 60],
  ] as const;
  for (const [unit, length] of units) if (seconds >= 2 * length) return `${plain(seconds / length)} ${unit}`;
  return `${plain(seconds)} s`;
}
