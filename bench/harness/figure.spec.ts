import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { plainFigure, ratioFigure, undecided } from './figure.ts';
import { ratiosOf, spreadOf } from './statistics.ts';

const ones = (length: number) => Array<number>(length).fill(1);
const named = { name: 'a.b', unit: 'x' };
const goal = { atLeast: 0.8 };

describe('figures of a bench', () => {
  it('have the median, and where it lies with 95 % confidence', () => {
    const nine = [9, 1, 8, 2, 7, 3, 6, 4, 5];
    assert.deepEqual(spreadOf(nine), { median: 5, min: 1, max: 9, low: 2, high: 8 });
    assert.deepEqual(spreadOf([3, 1]), { median: 2, min: 1, max: 3, low: 1, high: 3 });
    const { low, high } = spreadOf(Array.from({ length: 21 }, (_, n) => n));
    assert.deepEqual([low, high], [5, 15]);
    assert.throws(() => spreadOf([]), RangeError);
    assert.throws(() => spreadOf([1, Number.NaN]), RangeError);
  });

  it('compare pairs only', () => {
    assert.deepEqual(ratiosOf([2, 9], [1, 3]), [2, 3]);
    assert.throws(() => ratiosOf([1], [1, 2]), RangeError);
  });

  it('are told when the goal is out of the noise, on either side', () => {
    const good = ratioFigure({ ...named, goal }, [0.9, 0.95, 0.85], ones(3));
    assert.deepEqual([good.value, good.ok, good.noise], [0.9, true, undefined]);
    const bad = ratioFigure({ ...named, goal }, [0.5, 0.7, 0.6], ones(3));
    assert.deepEqual([bad.value, bad.ok], [0.6, false]);
    assert.equal(ratioFigure({ ...named, goal: { atMost: 1.15 } }, [1.1, 1.05], ones(2)).ok, true);
  });

  it('are refused when the noise reaches over the goal, or over 1 where there is none', () => {
    const figure = ratioFigure({ ...named, goal }, [0.7, 0.9, 0.95], ones(3));
    assert.equal(figure.value, null);
    assert.equal(figure.ok, false);
    assert.match(figure.noise ?? '', /between 0.7 and 0.95/);
    assert.equal(undecided([0.7, 0.9, 0.95], ones(3), goal), true);
    const information = ratioFigure(named, [0.9, 1.1], ones(2));
    assert.deepEqual([information.value, information.ok], [null, true]);
  });

  it('may be quantities', () => {
    const figure = plainFigure({ ...named, goal: { atMost: 1024 } }, [900, 800, 1000.4]);
    assert.deepEqual([figure.value, figure.min, figure.max, figure.ok], [900, 800, 1000, true]);
  });
});
