import type { Figure } from '#services/cli/report.ts';

/** What a drill measures beside requests and stalls. Without a goal for information only. */
export interface RowFigure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  readonly atMost?: number;
  readonly atLeast?: number;
}

export const isReached = ({ value, atMost, atLeast }: RowFigure): boolean =>
  value <= (atMost ?? Number.POSITIVE_INFINITY) && value >= (atLeast ?? Number.NEGATIVE_INFINITY);

/** Of several seeds one that misses its goal, else the one nearest to that; without a goal the largest. @throws without any */
export function worstOf(figures: readonly RowFigure[]): RowFigure {
  const missed = figures.filter((figure) => !isReached(figure));
  return (missed.length > 0 ? missed : figures).reduce((worst, each) => {
    const upwards = each.atMost !== undefined || each.atLeast === undefined;
    return (upwards ? each.value > worst.value : each.value < worst.value) ? each : worst;
  });
}

export function goalOf({ atMost, atLeast }: RowFigure): string {
  return [atLeast === undefined ? [] : `≥ ${atLeast}`, atMost === undefined ? [] : `≤ ${atMost}`]
    .flat()
    .join(', ');
}

/** As the project's tools give them. */
export const asFigure = (of: string, figure: RowFigure): Figure => ({
  name: `${of}: ${figure.name}`,
  value: figure.value,
  unit: figure.unit,
  goal: goalOf(figure),
  ok: isReached(figure),
});
