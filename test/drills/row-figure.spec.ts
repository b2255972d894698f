import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { nearestRank } from './nearest-rank.ts';
import { asFigure, type RowFigure, worstOf } from './row-figure.ts';

const values = (goal: Partial<RowFigure>, ...all: number[]): RowFigure[] =>
  all.map((value) => ({ name: 'x', unit: 'ms', value, ...goal }));

describe('figures of drills', () => {
  it('are as bad as the worst seed', () => {
    assert.equal(worstOf(values({ atMost: 200 }, 10, 190, 20)).value, 190);
    assert.equal(worstOf(values({ atLeast: 99.9 }, 100, 99.95)).value, 99.95);
    assert.equal(worstOf(values({ atLeast: 23, atMost: 27 }, 26, 22, 25)).value, 22);
    assert.equal(worstOf(values({}, 1, 3, 2)).value, 3);
  });

  it('say their goal, and whether it is reached', () => {
    const [figure] = values({ atLeast: 23, atMost: 27 }, 28);
    assert.ok(figure);
    assert.deepEqual(asFigure('y', figure), {
      name: 'y: x',
      value: 28,
      unit: 'ms',
      goal: '≥ 23, ≤ 27',
      ok: false,
    });
  });

  it('give percentiles by nearest rank', () => {
    const hundred = Array.from({ length: 100 }, (_, n) => 100 - n);
    assert.deepEqual(
      [nearestRank(hundred, 0.5), nearestRank(hundred, 0.99), nearestRank(hundred, 1)],
      [50, 99, 100],
    );
    assert.throws(() => nearestRank([], 0.5), RangeError);
  });
});
