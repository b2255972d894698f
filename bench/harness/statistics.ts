/** What a series of measurements says, and how far it can be believed. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
  /**
   * Where the true median lies with 95 % confidence: the interval between two of the measurements, whatever
   * their distribution (binomial order statistics). With five or fewer it is min and max.
   */
  readonly low: number;
  readonly high: number;
}

/** @throws RangeError when there is nothing to tell of, or something that is no number */
export function spreadOf(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  if (sorted.length === 0 || !sorted.every(Number.isFinite)) throw new RangeError('no measurements');
  const at = (index: number): number => sorted[index] ?? Number.NaN;
  const { length } = sorted;
  const median = (at(Math.floor((length - 1) / 2)) + at(Math.ceil((length - 1) / 2))) / 2;
  const cut = outside(length);
  return { median, min: at(0), max: at(length - 1), low: at(cut), high: at(length - 1 - cut) };
}

/** How many measurements at either end may be left out: as many as keep 95 % between the rest. */
function outside(length: number): number {
  let tail = 0;
  let probability = 0.5 ** length;
  for (let k = 0; k < length / 2; k++) {
    tail += probability;
    if (tail > 0.025) return Math.max(0, k - 1);
    probability *= (length - k) / (k + 1);
  }
  return 0;
}

/** Each pair's ratio: what was measured one after the other is compared with each other only. */
export function ratiosOf(ours: readonly number[], theirs: readonly number[]): number[] {
  if (ours.length !== theirs.length) throw new RangeError('pairs have two halves');
  return ours.map((value, index) => value / (theirs[index] ?? Number.NaN));
}
