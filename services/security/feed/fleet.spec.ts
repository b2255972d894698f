import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { DatabaseTime } from '#kernel/db/database-time.ts';
import { silentLogger } from '#kernel/log/logger.ts';
import { instant } from '#kernel/time/clock.ts';
import { ManualClock } from '#kernel/time/manual-clock.ts';
import { LeaseBook } from '../authorize/lease-book.ts';
import { leaseLengths } from '../authorize/lease-lengths.ts';
import type { Member } from '../members/member.ts';
import type { Peers } from '../peer/peers.ts';
import type { Revocation } from './feed.ts';
import { fleet } from './fleet.ts';

const leaseMs = 10_000;
const entry: Revocation = { position: 7, kind: 'user', subject: 'ada', reason: '', committedAtMs: 0 };

describe('a revocation that waits for the fleet', () => {
  const begin = async (pushRevocation: Peers['pushRevocation']) => {
    const clock = new ManualClock();
    const leases = new LeaseBook(clock, leaseLengths(leaseMs, []));
    // Past the time in which an earlier process of this name may have given leases.
    await clock.advance(leaseMs);
    const peers: Peers = {
      handOver: () => Promise.reject(new Error('not here')),
      pushSessions: () => Promise.reject(new Error('not here')),
      pushRevocation,
    };
    const members: Member[] = [];
    const member = (pod: string, more: Partial<Member> = {}): void => {
      members.push({
        pod,
        incarnation: 1,
        heartbeatMs: clock.now(),
        state: 'serving',
        feedPosition: 0,
        ...more,
      });
    };
    const everybody = fleet({
      pod: 'sec-0',
      peers,
      leases,
      time: new DatabaseTime(clock),
      clock,
      log: silentLogger,
      members: () => members,
      entriesAfter: () => [entry],
      freshMs: 20_000,
      silentMs: 60_000,
      leaseMs,
    });
    /** How long it takes, in milliseconds. */
    const settle = async ({ known = true } = {}): Promise<number> => {
      const start = clock.monotonic();
      let doneAt: number | undefined;
      const done = everybody.settle(7, instant(clock), known ? members : undefined).then(() => {
        doneAt = clock.monotonic();
      });
      while (doneAt === undefined && clock.monotonic() - start < 120_000) await clock.advance(100);
      await done;
      return (doneAt ?? Number.NaN) - start;
    };
    return { clock, leases, member, settle, push: everybody.push };
  };

  it('is done when all members have acknowledged', async () => {
    const asked: string[] = [];
    const { member, settle } = await begin((pod, entries, wait) => {
      assert.deepEqual([entries, wait], [[entry], true]);
      asked.push(pod);
      return Promise.resolve(7);
    });
    for (const pod of ['sec-0', 'sec-1', 'sec-2']) member(pod);
    assert.ok((await settle()) <= 100);
    assert.deepEqual(asked, ['sec-1', 'sec-2']);
  });

  it('asks again until a member that was away has read it', async () => {
    let calls = 0;
    const { member, settle } = await begin(() => {
      calls += 1;
      return calls < 5 ? Promise.reject(new Error('away')) : Promise.resolve(calls < 7 ? 6 : 7);
    });
    member('sec-1');
    assert.ok((await settle()) < 3000);
    assert.equal(calls, 7);
  });

  it('tells each pod at once, and what comes meanwhile in the next push, each entry once', async () => {
    const told: number[][] = [];
    const waiting: (() => void)[] = [];
    const { member, push } = await begin((_pod, entries) => {
      told.push(entries.map(({ position }) => position));
      return new Promise((resolve) => waiting.push(() => resolve(0)));
    });
    member('sec-1');
    const at = (position: number): Revocation => ({ ...entry, position });
    push([at(7)]);
    push([at(8), at(9)]);
    push([at(9), at(8)]);
    assert.deepEqual(told, [[7]]);
    for (const expected of [
      [[7], [8, 9]],
      [[7], [8, 9]],
    ]) {
      waiting.shift()?.();
      await new Promise(setImmediate);
      assert.deepEqual(told, expected);
    }
    push([at(10)]);
    assert.deepEqual(told.at(-1), [10]);
  });

  it('waits for a silent member until nothing it knows or gave can count any more', async () => {
    const { member, settle } = await begin(() => Promise.reject(new Error('dead')));
    member('sec-1');
    const took = await settle();
    assert.ok(took >= 20_000 + leaseMs && took < 32_000, `${took}`);
  });

  it('waits less for a member that has been silent for long, and not at all for one that stopped long ago', async () => {
    const { clock, member, settle } = await begin(() => Promise.reject(new Error('dead')));
    member('sec-1', { heartbeatMs: clock.now() - 65_000 });
    const took = await settle();
    assert.ok(took >= 5000 && took < 7000, `${took}`);
    assert.ok((await settle()) <= 100);
  });

  it('waits for the leases of a member that has just stopped', async () => {
    const { member, settle } = await begin(() => Promise.reject(new Error('not asked')));
    member('sec-1', { state: 'stopped' });
    const took = await settle();
    assert.ok(took >= leaseMs && took < leaseMs + 1000, `${took}`);
  });

  it('waits for everybody when nobody knows who they are', async () => {
    const { settle } = await begin(() => Promise.reject(new Error('not asked')));
    const took = await settle({ known: false });
    assert.ok(took >= 20_000 + leaseMs && took < 32_000, `${took}`);
  });
});
