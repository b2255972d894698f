import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { ManualClock } from '#kernel/time/manual-clock.ts';
import { stallGuard } from './stall-guard.ts';

describe('the stall guard', () => {
  it('cuts one long wait, not many short ones, nor the time between, nor a wall clock that jumps', async () => {
    const clock = new ManualClock();
    let stalled = 0;
    const guard = stallGuard(clock, 1000, () => stalled++);
    for (let n = 0; n < 5; n++) await guard.during(clock.advance(900));
    await clock.advance(5000);
    clock.jumpWall(50_000);
    assert.equal(stalled, 0);
    await guard.during(clock.advance(5000));
    assert.equal(stalled, 1, 'once');
    assert.equal(clock.waiting, 0);
  });

  it('ends with its work', async () => {
    const clock = new ManualClock();
    const guard = stallGuard(clock, 1000, () => assert.fail('nothing waits'));
    await assert.rejects(guard.during(Promise.reject(new Error('broken'))), /broken/);
    guard.stop();
    assert.equal(clock.waiting, 0);
  });
});
