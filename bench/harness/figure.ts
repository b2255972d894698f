import { ratiosOf, type Spread, spreadOf } from './statistics.ts';

export type Goal = { readonly atLeast: number } | { readonly atMost: number };

/** One line of the result. */
export interface Figure {
  /** `<bench>.<what>` */
  readonly name: string;
  /** The median; null when the measurement cannot tell, see `noise`. */
  readonly value: number | null;
  readonly unit: string;
  /** What it has to reach; null for information. */
  readonly goal: Goal | null;
  /** Of a goal: reached, beyond the noise. Information is always ok. */
  readonly ok: boolean;
  /** Least and greatest of the pairs, or of the rounds. */
  readonly min?: number;
  readonly max?: number;
  readonly pairs?: number;
  /** Why there is no value: what was measured may as well lie on the other side of the goal (or of 1). */
  readonly noise?: string;
}

interface Named {
  readonly name: string;
  readonly unit: string;
  readonly goal?: Goal;
}

/** What a ratio is told apart from: its goal, else 1, which would mean that there is no difference. */
const boundOf = (goal: Goal | undefined): number =>
  goal === undefined ? 1 : 'atLeast' in goal ? goal.atLeast : goal.atMost;

/** Whether a ratio's goal lies within its noise, so that more pairs are worth their time. */
export function undecided(
  ours: readonly number[],
  theirs: readonly number[],
  goal: Goal | undefined,
): boolean {
  const { low, high } = spreadOf(ratiosOf(ours, theirs));
  const bound = boundOf(goal);
  return low < bound && bound < high;
}

/** A ratio, pair by pair. One whose distance from its bound is smaller than its noise is not given. */
export function ratioFigure(named: Named, ours: readonly number[], theirs: readonly number[]): Figure {
  const spread = spreadOf(ratiosOf(ours, theirs));
  const { name, unit, goal } = named;
  const { min, max, low, high } = rounded(spread);
  const common = { name, unit, goal: goal ?? null, min, max, pairs: ours.length };
  if (undecided(ours, theirs, goal)) {
    const noise = `between ${low} and ${high}, which is on both sides of ${boundOf(goal)}`;
    return { ...common, value: null, ok: goal === undefined, noise };
  }
  return { ...common, value: round(spread.median), ok: reached(spread.median, goal) };
}

/** A quantity of its own; no ratio. */
export function plainFigure(named: Named, values: readonly number[]): Figure {
  const { name, unit, goal } = named;
  const spread = spreadOf(values);
  const { median, min, max } = rounded(spread);
  return { name, value: median, unit, goal: goal ?? null, ok: reached(spread.median, goal), min, max };
}

function reached(value: number, goal: Goal | undefined): boolean {
  if (goal === undefined) return true;
  return 'atLeast' in goal ? value >= goal.atLeast : value <= goal.atMost;
}

const rounded = ({ median, min, max, low, high }: Spread): Spread => ({
  ...{ median: round(median), min: round(min), max: round(max), low: round(low), high: round(high) },
});

/** Three digits that count. */
const round = (value: number): number => Number(value.toPrecision(3));
