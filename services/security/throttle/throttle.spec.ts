import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { SallyportError } from '#core/errors/error.ts';
import { ManualClock } from '#kernel/time/manual-clock.ts';
import { Throttle } from './throttle.ts';

const options = { what: 'attempts', burst: 3, refillMs: 1000 };

describe('Throttle', () => {
  it('lets a burst through, then tells how long to wait', () => {
    const throttle = new Throttle(options, new ManualClock());
    for (let i = 0; i < 3; i++) {
      throttle.check('anna');
      throttle.count('anna');
    }
    assert.throws(
      () => throttle.check('anna'),
      (e) => e instanceof SallyportError && e.reason === 'THROTTLED' && e.retryAfterMs === 1000,
    );
    throttle.check('bert');
  });

  it('forgets with time, and at once after a success', async () => {
    const clock = new ManualClock();
    const throttle = new Throttle(options, clock);
    for (let i = 0; i < 5; i++) throttle.count('anna');
    await clock.advance(1000);
    throttle.check('anna');
    throttle.count('anna');
    assert.throws(() => throttle.check('anna'));
    throttle.forgive('anna');
    throttle.check('anna');
    throttle.count('anna');
    await clock.advance(3000);
    throttle.check('anna');
    assert.equal(throttle.subjects, 0);
  });

  it('counts attempts that are made at once, and gives back those that came to nothing', () => {
    const throttle = new Throttle(options, new ManualClock());
    for (let i = 0; i < 3; i++) throttle.take('anna');
    assert.throws(() => throttle.take('anna'));
    throttle.giveBack('anna');
    throttle.take('anna');
    assert.throws(() => throttle.take('anna'));
    throttle.giveBack('nobody');
    assert.equal(throttle.subjects, 1);
  });

  it('remembers no more subjects than it may', () => {
    const throttle = new Throttle({ ...options, maxSubjects: 10 }, new ManualClock());
    for (let i = 0; i < 1000; i++) throttle.count(`address ${i}`);
    assert.equal(throttle.subjects, 10);
  });
});
