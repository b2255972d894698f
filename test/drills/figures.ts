import type { Figure } from '#services/cli/report.ts';
import type { Row } from './row.ts';
import { asFigure } from './row-figure.ts';
import { failuresOf, worstFigures } from './table.ts';

/** The goals of each failure, all seeds together, as the project's tools give figures. */
export function figuresOf(rows: readonly Row[]): Figure[] {
  return failuresOf(rows).flatMap((same) => {
    const [one] = same;
    if (one === undefined) return [];
    const sum = (of: (row: Row) => number): number => same.reduce((total, row) => total + of(row), 0);
    const none = (what: string, value: number): Figure => ({
      name: `${one.failure}: ${what}`,
      value,
      unit: '',
      goal: '0',
      ok: value === 0,
    });
    const beyond = sum((row) => Math.max(0, row.unknown - row.inFlight));
    const broken = none('runs that did not hold', same.filter((row) => !row.held).length);
    const beside = worstFigures(same).map((figure) => asFigure(one.failure, figure));
    // Without a load nothing could fail, and none of it is worth a figure.
    if (same.every(({ requests }) => requests === 0)) return [broken, ...beside];
    return [
      none(
        'failed',
        sum((row) => row.failed),
      ),
      none('UNKNOWN_OUTCOME beyond what was in flight', beyond),
      none(
        'lost',
        sum((row) => row.lost),
      ),
      none(
        'wrong',
        sum((row) => row.wrong),
      ),
      broken,
      ...(['relay', 'login', 'write'] as const).map((group): Figure => {
        const value = Math.max(...same.map((row) => row.stalls[group])) / 1000;
        const goal = one.goals[group];
        return {
          name: `${one.failure}: longest stall, ${group}`,
          value,
          unit: 's',
          goal: goal === undefined ? '' : `≤ ${goal / 1000}`,
          ok: goal === undefined || value * 1000 <= goal,
        };
      }),
      ...beside,
    ];
  });
}
