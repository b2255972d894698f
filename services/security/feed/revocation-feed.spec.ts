import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { DatabaseTime } from '#kernel/db/database-time.ts';
import { silentLogger } from '#kernel/log/logger.ts';
import { instant } from '#kernel/time/clock.ts';
import { ManualClock } from '#kernel/time/manual-clock.ts';
import type { Revocation } from './feed.ts';
import { Freshness } from './freshness.ts';
import { MemoryFeedSource } from './memory-feed-source.ts';
import { type Fleet, RevocationFeed } from './revocation-feed.ts';

const routeKey = 'A'.repeat(22);
const session = (feedPosition: number, user = 'ada') => ({
  id: `${routeKey}.sec-0.${'B'.repeat(22)}.${'C'.repeat(22)}`,
  routeKey,
  user,
  deviceId: 'phone-1',
  feedPosition,
});
const keepMs = 86_400_000;

describe('the revocation feed', () => {
  const begin = async (clock = new ManualClock(), source = new MemoryFeedSource(clock)) => {
    const freshness = new Freshness(clock, { freshMs: 20_000, silentMs: 60_000 });
    freshness.heartbeatBegun(instant(clock));
    const pushed: Revocation[] = [];
    const settled: number[] = [];
    const fleet: Fleet = {
      push: (entries) => pushed.push(...entries),
      settle: async (position) => void settled.push(position),
    };
    const eras: number[] = [];
    const feed = new RevocationFeed({
      source,
      time: new DatabaseTime(clock),
      freshness,
      clock,
      log: silentLogger,
      era: 1,
      keepMs,
      onEraEnd: (era) => eras.push(era),
    });
    await feed.start(fleet);
    return { clock, source, freshness, feed, pushed, settled, eras };
  };

  it('has read everything that can matter before it starts', async () => {
    const clock = new ManualClock();
    const source = new MemoryFeedSource(clock);
    await source.append({ kind: 'user', subject: 'ada', reason: '' });
    await clock.advance(keepMs);
    await source.append({ kind: 'user', subject: 'bob', reason: '' });
    const { feed } = await begin(clock, source);
    assert.equal(feed.position, 2);
    assert.equal(feed.isRevoked(session(0, 'bob')), true);
    // Too old to concern any session that still lives.
    assert.equal(feed.isRevoked(session(0)), false);
  });

  it('ends what read its credentials before the entry, and nothing later', async () => {
    const { feed } = await begin();
    for (const entry of [
      { kind: 'session', subject: session(0).id.slice(0, -23) },
      { kind: 'device', subject: 'phone-1' },
      { kind: 'user', subject: 'ada' },
      { kind: 'groups', subject: 'ada' },
      { kind: 'shared-key', subject: routeKey },
      { kind: 'everybody', subject: '' },
    ] as const) {
      const { position } = await feed.revokeAndPush({ ...entry, reason: 'test' }, 'COMMITTED');
      assert.equal(feed.isRevoked(session(position - 1)), true, entry.kind);
      assert.equal(feed.isRevoked(session(position)), false, entry.kind);
    }
    assert.equal(feed.isRevoked({ ...session(5, 'bob'), deviceId: '' }), true);
  });

  it('reads what others append within a second, in order', async () => {
    const { clock, source, feed } = await begin();
    const told: number[] = [];
    feed.subscribe((entry) => told.push(entry.position));
    for (let n = 0; n < 5; n++) await source.append({ kind: 'user', subject: `u${n}`, reason: '' });
    await clock.advance(1000);
    assert.deepEqual(told, [1, 2, 3, 4, 5]);
    assert.deepEqual(
      feed.entriesAfter(3)?.map((entry) => entry.position),
      [4, 5],
    );
  });

  it('takes a push at once if nothing is missing, and reads the rest if something is', async () => {
    const { source, feed } = await begin();
    for (let n = 0; n < 3; n++) await source.append({ kind: 'user', subject: `u${n}`, reason: '' });
    const [one, , three] = source.entries;
    assert.ok(one && three);
    const { reads } = source;
    await feed.take([one]);
    assert.deepEqual([feed.position, source.reads], [1, reads]);
    await feed.take([three]);
    assert.equal(feed.position, 3);
    assert.ok(source.reads > reads);
    await feed.take([one]);
    assert.equal(feed.position, 3);
  });

  it('pushes its own entries, and settles for FLEET only', async () => {
    const { feed, pushed, settled } = await begin();
    const first = await feed.revokeAndPush({ kind: 'user', subject: 'ada', reason: '' }, 'COMMITTED');
    assert.deepEqual(first, { position: 1, everywhere: false });
    const second = await feed.revokeAndPush({ kind: 'user', subject: 'bob', reason: '' }, 'FLEET');
    assert.deepEqual(second, { position: 2, everywhere: true });
    assert.deepEqual(settled, [2]);
    assert.deepEqual(
      pushed.map((entry) => entry.position),
      [1, 2],
    );
  });

  it('counts and pushes its own entry without reading it back, unless others are missing before it', async () => {
    const { source, feed, pushed } = await begin();
    const { reads } = source;
    await feed.revokeAndPush({ kind: 'user', subject: 'ada', reason: '' }, 'COMMITTED');
    assert.equal(feed.isRevoked(session(0)), true);
    assert.deepEqual([source.reads, pushed.length], [reads, 1]);
    // Another pod's, which has not come here yet.
    await source.append({ kind: 'user', subject: 'bob', reason: '' });
    await feed.revokeAndPush({ kind: 'user', subject: 'cy', reason: '' }, 'COMMITTED');
    assert.deepEqual([source.reads, feed.position, feed.isRevoked(session(0, 'bob'))], [reads + 1, 3, true]);
    assert.deepEqual(
      pushed.map((entry) => entry.position),
      [1, 2, 3],
    );
  });

  it('goes stale while it cannot be read, and comes back', async () => {
    const { clock, source, feed, freshness } = await begin();
    source.fault = new Error('down');
    await clock.advance(19_000);
    feed.assertFresh();
    await clock.advance(2000);
    assert.throws(() => feed.assertFresh(), { reason: 'STALE' });
    source.fault = undefined;
    await clock.advance(1000);
    assert.equal(freshness.fresh, true);
  });

  it('counts a slow look from its start', async () => {
    const { clock, source, freshness } = await begin();
    source.readMs = 15_000;
    await clock.advance(16_100);
    assert.equal(freshness.fresh, true);
    // The look that ended at 16 s had begun at 1 s.
    await clock.advance(4900);
    assert.equal(freshness.fresh, false);
  });

  it('ends with its era', async () => {
    const { clock, source, feed, eras } = await begin();
    source.era = 2;
    await clock.advance(1000);
    assert.deepEqual(eras, [2]);
    assert.throws(() => feed.assertFresh(), /era 1/);
  });
});
