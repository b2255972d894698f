import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { DatabaseTime } from '#kernel/db/database-time.ts';
import { instant } from '#kernel/time/clock.ts';
import { ManualClock } from '#kernel/time/manual-clock.ts';
import { Freshness } from './freshness.ts';

describe('freshness', () => {
  const begin = () => {
    const clock = new ManualClock();
    const freshness = new Freshness(clock, { freshMs: 20_000, silentMs: 60_000 });
    return { clock, freshness };
  };

  it('needs both a read of the feed and a heartbeat', () => {
    const { clock, freshness } = begin();
    assert.throws(() => freshness.assert(), { reason: 'STALE' });
    freshness.readBegun(instant(clock));
    assert.equal(freshness.fresh, false);
    freshness.heartbeatBegun(instant(clock));
    freshness.assert();
  });

  it('counts a read from its start, by whichever clock has moved further', async () => {
    const { clock, freshness } = begin();
    freshness.heartbeatBegun(instant(clock));
    const startedAt = instant(clock);
    await clock.advance(5000);
    freshness.readBegun(startedAt);
    await clock.advance(14_999);
    assert.equal(freshness.fresh, true);
    await clock.advance(1);
    assert.equal(freshness.fresh, false);
    freshness.readBegun(instant(clock));
    assert.equal(freshness.fresh, true);
    // The machine slept: its monotonic clock stood still.
    clock.jumpWall(20_000);
    assert.equal(freshness.fresh, false);
  });

  it('gains nothing by a wall clock that is set back', async () => {
    const { clock, freshness } = begin();
    freshness.readBegun(instant(clock));
    freshness.heartbeatBegun(instant(clock));
    clock.jumpWall(-3_600_000);
    await clock.advance(20_000);
    assert.equal(freshness.fresh, false);
  });

  it('falls silent without heartbeats, and for good when it is ended', async () => {
    const { clock, freshness } = begin();
    freshness.heartbeatBegun(instant(clock));
    await clock.advance(60_000);
    freshness.readBegun(instant(clock));
    assert.throws(() => freshness.assert(), /tell the others/);
    freshness.heartbeatBegun(instant(clock));
    freshness.end('replaced');
    assert.throws(() => freshness.assert(), /replaced/);
  });
});

describe('database time', () => {
  it('goes on from the start of the read that told it', async () => {
    const clock = new ManualClock();
    const time = new DatabaseTime(clock);
    const startedAt = instant(clock);
    await clock.advance(400);
    time.learn(1_000_000, startedAt);
    assert.equal(time.now(), 1_000_400);
    await clock.advance(600);
    assert.equal(time.asClock().now(), 1_001_000);
  });
});
