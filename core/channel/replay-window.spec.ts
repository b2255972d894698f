import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { ReplayWindow } from './replay-window.ts';

/** The window as one would write it without thinking of memory. */
class NaiveWindow {
  readonly #taken = new Set<number>();
  #highest = -1;

  look(sequence: number): string {
    if (sequence <= this.#highest - 4096) return 'old';
    return this.#taken.has(sequence) ? 'taken' : 'fresh';
  }

  take(sequence: number): void {
    this.#taken.add(sequence);
    this.#highest = Math.max(this.#highest, sequence);
  }
}

describe('replay window', () => {
  it('says what a naive one says', () => {
    const step = fc.oneof(
      { weight: 6, arbitrary: fc.integer({ min: -40, max: 80 }) },
      { weight: 2, arbitrary: fc.integer({ min: -4200, max: 4200 }) },
      {
        weight: 1,
        arbitrary: fc.constantFrom(-4097, -4096, -4095, 31, 32, 33, 4095, 4096, 4097, 4128, 5000),
      },
      { weight: 1, arbitrary: fc.integer({ min: 10_000, max: 2 ** 40 }) },
    );
    const start = fc.oneof(fc.constant(0), fc.nat({ max: 10_000 }), fc.constantFrom(2 ** 32 - 10, 2 ** 47));
    fc.assert(
      fc.property(start, fc.array(step, { maxLength: 300 }), (first, steps) => {
        const [window, naive] = [new ReplayWindow(), new NaiveWindow()];
        let at = first;
        for (const by of steps) {
          at = Math.max(0, at + by);
          const told = window.look(at);
          assert.equal(told, naive.look(at), `sequence ${at}`);
          if (told !== 'fresh') continue;
          window.take(at);
          naive.take(at);
        }
      }),
    );
  });

  it('has forgotten nothing and invented nothing, over its whole length', () => {
    // Mostly dense, so that every word was full before it is used again; then a jump.
    const gap = fc.oneof(
      { weight: 30, arbitrary: fc.constant(1) },
      { weight: 1, arbitrary: fc.nat({ max: 70 }) },
    );
    const gaps = fc.array(gap, { minLength: 4500, maxLength: 5000, size: 'max' });
    const jump = fc.oneof(fc.integer({ min: 1, max: 200 }), fc.integer({ min: 3900, max: 4300 }));
    fc.assert(
      fc.property(gaps, jump, (dense, by) => {
        const [window, naive] = [new ReplayWindow(), new NaiveWindow()];
        let at = 0;
        for (const step of [...dense, by]) {
          at += step;
          if (window.look(at) !== 'fresh') continue;
          window.take(at);
          naive.take(at);
        }
        for (let n = Math.max(0, at - 4300); n < at + 40; n++) {
          assert.equal(window.look(n), naive.look(n), `sequence ${n} when ${at} is the highest`);
        }
      }),
      { numRuns: 20 },
    );
  });

  it('takes each number of a long run once', () => {
    const window = new ReplayWindow();
    for (let n = 0; n < 20_000; n++) {
      assert.equal(window.look(n), 'fresh');
      window.take(n);
      assert.equal(window.look(n), 'taken');
    }
    assert.equal(window.look(20_000 - 4096), 'taken');
    assert.equal(window.look(20_000 - 4097), 'old');
  });
});
