import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { ManualClock } from '#kernel/time/manual-clock.ts';
import { CatchUp } from './catch-up.ts';

describe('catching up', () => {
  it('is not needed by a process that runs, nor by one that is merely slow', async () => {
    const clock = new ManualClock();
    const catchUp = new CatchUp(clock);
    assert.equal(catchUp.wait(), undefined);
    await clock.advance(10_000);
    clock.stop(3000);
    assert.equal(catchUp.wait(), undefined);
    await clock.advance(500);
    assert.equal(catchUp.wait(), undefined);
    catchUp.stop();
    assert.equal(clock.waiting, 0);
  });

  for (const first of ['a call', 'its timer'] as const) {
    it(`lasts half a second after a stop, of which ${first} tells`, async () => {
      const clock = new ManualClock();
      const catchUp = new CatchUp(clock);
      await clock.advance(10_000);
      clock.stop(4000);
      if (first === 'its timer') await clock.advance(0);
      let over = false;
      const waiting = catchUp.wait();
      assert.ok(waiting);
      waiting.then(() => {
        over = true;
      });
      await clock.advance(499);
      assert.equal(over, false);
      await clock.advance(1);
      await waiting;
      assert.equal(catchUp.wait(), undefined);
    });
  }
});
