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

/** The one of several seeds that is farthest from good; without a goal the largest. @throws when there is none */
export function worstOf(figures: readonly RowFigure[]): RowFigure {
  return figures.reduce((worst, each) => {
    const worse = each.atLeast === undefined ? each.value > worst.value : each.value < worst.value;
    return worse ? each : worst;
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
