import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { readVerdict } from './pan-output.ts';

const whole = `(Spin Version 6.5.2 -- 6 December 2019)
State-vector 60 byte, depth reached 207, errors: 0
1.2e+08 states, stored
   683778 states, matched
   856319 transitions (= stored+matched)
  150.693	total actual memory usage

unreached in proctype pod
	ownership.pml:221, state 216, "-end-"
	(1 of 216 states)
unreached in init
	(0 of 15 states)
pan: elapsed time 1.05 seconds
`;
const failed = (text: string): string =>
  `pan:1: ${text} (at depth 16)\npan: wrote m.pml.trail\nWarning: Search not completed\n${whole.replace('errors: 0', 'errors: 1')}`;

describe("what spin's verifier says", () => {
  it('is a whole search without an error', () => {
    assert.deepEqual(readVerdict(whole), {
      ...{ states: 1.2e8, transitions: 856319, memoryMb: 150.693 },
      ...{ error: undefined, complete: true, neverTaken: [], cut: undefined },
    });
  });

  it('is an invariant that broke, or a state in which nothing happens any more', () => {
    const { error, complete } = readVerdict(failed('assertion violated (revoke!=4)'));
    assert.deepEqual([error?.invariant, complete], ['I1', false]);
    assert.equal(readVerdict(failed('assertion violated (granted[x]>0)')).error?.invariant, 'I4');
    const stuck = readVerdict(failed('invalid end state')).error;
    assert.deepEqual([stuck?.invariant, stuck?.text], [undefined, 'invalid end state']);
  });

  it('is no whole search when depth or memory did not do, and says why', () => {
    for (const cut of ['error: max search depth too small', 'pan: reached -DMEMLIM bound']) {
      const verdict = readVerdict(`${cut}\nWarning: Search not completed\n${whole}`);
      assert.deepEqual([verdict.complete, verdict.cut], [false, cut]);
    }
  });

  it('names the steps that are never taken', () => {
    const step = '\townership.pml:99, state 7, "x = 1"\n\t(1 of 216 states)';
    assert.deepEqual(readVerdict(whole.replace('\t(1 of 216 states)', step)).neverTaken, ['pod 99']);
  });

  it('is nothing when it was killed', () => {
    assert.throws(() => readVerdict('Depth= 3 States= 1e+06'), /not come to an end/);
  });
});
