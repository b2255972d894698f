import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { SallyportError } from '#core/errors/error.ts';
import { silentLogger } from '#kernel/log/logger.ts';
import { ManualClock } from '#kernel/time/manual-clock.ts';
import type { Revocation } from '../feed/feed.ts';
import { RevocationIndex } from '../feed/revocation-index.ts';
import type { Member } from '../members/member.ts';
import type { Peers } from '../peer/peers.ts';
import { Forwarding } from './forwarding.ts';
import { HeldSessions } from './held-sessions.ts';
import { MemorySessionStore } from './memory-session-store.ts';
import { Persister } from './persister.ts';
import { handleOf, type SessionRecord } from './record.ts';
import { SessionOwner } from './session-owner.ts';
import type { NewSession } from './sessions.ts';

const macKey = new Uint8Array(32).fill(7);
const routeKey = 'A'.repeat(22);
const hour = 3_600_000;
/** Seals nothing; what is sealed is not this spec's business. */
const keys = {
  seal: (_: object, bytes: Uint8Array) => bytes,
  open: async (_: object, bytes: Uint8Array) => bytes,
};

const wanted = (more: Partial<NewSession> = {}): NewSession => ({
  routeKey,
  kind: 'device',
  user: 'ada',
  groups: ['staff'],
  deviceId: 'phone-1',
  app: undefined,
  amr: ['pwd'],
  feedPosition: 0,
  lifetimeMs: hour,
  build: () => ({ sessionKey: new Uint8Array(32).fill(1), openReply: new Uint8Array([1, 2, 3]) }),
  ...more,
});

/** A tier in memory: pods that share a database, a feed and a clock, and call each other directly. */
function tier(options: { persistence?: boolean; maxHeld?: number } = {}) {
  const clock = new ManualClock();
  const store = new MemorySessionStore();
  const index = new RevocationIndex();
  const pods = new Map<string, SessionOwner>();
  const down = new Set<string>();
  let position = 0;
  const feed = {
    get position() {
      return position;
    },
    fresh: true,
    unreadable: false,
    assertFresh: () => {
      if (!feed.fresh) throw new SallyportError('STALE');
    },
    isRevoked: (record: SessionRecord) => index.isRevoked(record),
    revokeAndPush: async (entry: Pick<Revocation, 'kind' | 'subject' | 'reason'>) => {
      position += 1;
      index.add({ ...entry, position, committedAtMs: clock.now() });
      return { position, everywhere: false };
    },
  };
  const calls: string[] = [];
  const peersOf = (self: string): Peers => {
    const at = (pod: string): SessionOwner => {
      const owner = pods.get(pod);
      if (owner === undefined || down.has(pod)) throw new SallyportError('UNAVAILABLE');
      return owner;
    };
    return {
      handOver: async (pod, id, _timeoutMs, notAt) => {
        calls.push(`${self}→${pod}`);
        const given = at(pod).give(id, self, notAt);
        if (given === undefined) return { is: 'unknown' };
        if ('forwardedTo' in given) return { is: 'forwarded', to: given.forwardedTo };
        return { is: 'session', session: at(pod).travelling(given.record) };
      },
      pushRevocation: async () => 0,
      pushSessions: async (pod, sessions) => {
        const taken = await Promise.all(sessions.map((each) => at(pod).accept(each)));
        return taken.filter(Boolean).length;
      },
    };
  };
  const members = (): Member[] =>
    [...pods.keys()].map((pod) => ({
      pod,
      incarnation: 1,
      heartbeatMs: clock.now(),
      state: 'serving' as const,
      feedPosition: 0,
    }));
  /** As of the last look, if that is what pods go by. */
  let known: Member[] | undefined;
  const refreshMembers = async (): Promise<void> => {
    if (feed.unreadable) throw new SallyportError('UNAVAILABLE');
    if (known !== undefined) known = members();
  };
  const lookNoMore = (): void => {
    known = members();
  };
  const add = (pod: string) => {
    const held = new HeldSessions(options.maxHeld ?? 100);
    const persister =
      options.persistence === false
        ? undefined
        : new Persister({
            store,
            clock,
            random: () => 0,
            log: silentLogger,
            onStored: (record) => owner.stored(record),
          });
    const owner = new SessionOwner({
      pod,
      era: 1,
      feed,
      macKeys: () => [macKey],
      keys,
      held,
      forwarding: new Forwarding(clock),
      persister,
      store: options.persistence === false ? undefined : store,
      elsewhere: { peers: peersOf(pod), members: () => known ?? members(), refreshMembers },
      now: () => clock.now(),
      clock,
      log: silentLogger,
      maxLifeMs: 24 * hour,
    });
    pods.set(pod, owner);
    return { owner, held, persister };
  };
  return { clock, store, feed, calls, down, pods, lookNoMore, add };
}

/** Moves the clock until the promise has settled. */
async function during<T>(clock: ManualClock, work: Promise<T>): Promise<T> {
  let settled = false;
  const mark = (): void => {
    settled = true;
  };
  work.then(mark, mark);
  for (let n = 0; n < 1000 && !settled; n++) await clock.advance(n < 20 ? 0 : 10);
  return work;
}

describe('the sessions of a pod', () => {
  it('are stored in the request that opens them, and served from memory', async () => {
    const { store, add } = tier();
    const { owner } = add('sec-0');
    const record = await owner.open(wanted());
    assert.equal(record.writtenBehind, false);
    assert.equal(store.rows.size, 1);
    assert.equal((await owner.get(record.id)).user, 'ada');
    assert.equal(owner.held(record.id).version, 1);
    assert.equal(store.loads, 0);
  });

  it('open although the database cannot commit, and are written behind', async () => {
    const { clock, store, add } = tier();
    const { owner, persister } = add('sec-0');
    store.noPrimary = true;
    const record = await during(clock, owner.open(wanted()));
    assert.equal(record.writtenBehind, true);
    assert.equal(persister?.behind.size, 1);
    store.noPrimary = false;
    await clock.advance(5000);
    assert.equal(store.rows.size, 1);
    assert.equal(persister?.behind.size, 0);
    assert.equal(owner.held(record.id).writtenBehind, false);
  });

  it('have a second copy while the database cannot commit, or are not opened', async () => {
    const { clock, store, pods, down, add } = tier();
    const [a, b, c] = [add('sec-0'), add('sec-1'), add('sec-2')];
    store.noPrimary = true;
    down.add('sec-1');
    const record = await during(clock, a.owner.open(wanted()));
    assert.equal(record.writtenBehind, true);
    assert.ok(c.held.get(record.id) !== undefined && b.held.get(record.id) === undefined);
    pods.delete('sec-0');
    assert.equal((await during(clock, c.owner.get(record.id))).user, 'ada');
    // Cut off from all others: whoever came here is to go where a session is known.
    down.add('sec-2');
    const before = b.held.size;
    await assert.rejects(during(clock, b.owner.open(wanted({ user: 'bob' }))), { reason: 'UNAVAILABLE' });
    assert.equal(b.held.size, before);
    assert.equal(b.persister?.behind.size, 0);
  });

  it('open after 200 ms although the database has not answered, and are confirmed when it does', async () => {
    const { clock, store, add } = tier();
    const { owner } = add('sec-0');
    const write = Promise.withResolvers<void>();
    store.writesWaitFor = write.promise;
    const start = clock.monotonic();
    const record = await during(clock, owner.open(wanted()));
    assert.ok(clock.monotonic() - start <= 210);
    assert.equal(record.writtenBehind, true);
    write.resolve();
    await clock.advance(10);
    assert.equal(owner.held(record.id).writtenBehind, false);
  });

  it('do not wait for long when the database has just been slow', async () => {
    const { clock, store, add } = tier();
    const { owner } = add('sec-0');
    store.writesWaitFor = new Promise(() => {});
    const took = async (): Promise<number> => {
      const start = clock.monotonic();
      await during(clock, owner.open(wanted()));
      return clock.monotonic() - start;
    };
    assert.ok((await took()) >= 200);
    assert.ok((await took()) <= 50);
    await clock.advance(2000);
    assert.ok((await took()) >= 200);
  });

  it('are found by the message that opened them, once for callers at the same time', async () => {
    const { store, add } = tier();
    const [one, two] = [add('sec-0').owner, add('sec-1').owner];
    const openHash = new Uint8Array(32).fill(9);
    const [first, again] = await Promise.all([
      one.open(wanted({ openHash })),
      one.open(wanted({ openHash })),
    ]);
    assert.equal(first, again);
    assert.equal((await one.findOpened(openHash))?.id, first.id);
    // Another pod, at which the repetition arrived: by the database.
    assert.equal((await two.findOpened(openHash))?.id, first.id);
    // And if it did not look first, by the unique key.
    assert.equal((await two.open(wanted({ openHash }))).id, first.id);
    assert.equal(store.rows.size, 1);
  });

  it('are loaded once for many callers', async () => {
    const { store, add } = tier();
    const { owner } = add('sec-0');
    const record = await owner.open(wanted());
    const next = add('sec-1').owner;
    const found = await Promise.all(Array.from({ length: 50 }, () => next.get(record.id)));
    assert.ok(found.every((each) => each.id === record.id));
    assert.equal(store.loads, 1);
  });

  it('cost nothing when their id was invented', async () => {
    const { store, calls, add } = tier();
    const { owner } = add('sec-0');
    const record = await owner.open(wanted());
    const forged = `${handleOf(record.id)}.${'A'.repeat(22)}`;
    await assert.rejects(owner.get(forged), { reason: 'SESSION_UNKNOWN' });
    await assert.rejects(owner.get('nonsense'), { reason: 'MALFORMED' });
    assert.deepEqual([store.loads, calls.length], [0, 0]);
  });

  it('end by the feed: held, loaded, being opened', async () => {
    const { feed, add } = tier();
    const { owner } = add('sec-0');
    const record = await owner.open(wanted());
    await owner.end(record, 'test', 'COMMITTED');
    await assert.rejects(owner.get(record.id), { reason: 'SESSION_REVOKED' });
    // Again, now from the database.
    await assert.rejects(owner.get(record.id), { reason: 'SESSION_REVOKED' });
    await assert.rejects(add('sec-1').owner.get(record.id), { reason: 'SESSION_REVOKED' });
    await feed.revokeAndPush({ kind: 'user', subject: 'ada', reason: '' });
    await assert.rejects(owner.open(wanted({ feedPosition: 1 })), { reason: 'SESSION_REVOKED' });
    assert.equal((await owner.open(wanted({ feedPosition: 2 }))).user, 'ada');
  });

  it('are not served while the feed is stale', async () => {
    const { feed, add } = tier();
    const { owner } = add('sec-0');
    const record = await owner.open(wanted());
    feed.fresh = false;
    await assert.rejects(owner.get(record.id), { reason: 'STALE' });
    assert.throws(() => owner.held(record.id), { reason: 'STALE' });
    await assert.rejects(owner.open(wanted()), { reason: 'STALE' });
  });

  it('expire by database time, are renewed up to their longest life, and the renewal is found elsewhere', async () => {
    const { clock, add } = tier();
    const { owner } = add('sec-0');
    const record = await owner.open(wanted());
    const renewed = await owner.renew(record, clock.now() + 2 * hour);
    assert.equal(renewed.version, 2);
    assert.equal(
      (await owner.renew(renewed, clock.now() + 48 * hour)).expiresAtMs,
      record.openedAtMs + 24 * hour,
    );
    const other = add('sec-1').owner;
    await clock.advance(3 * hour);
    assert.equal((await other.get(record.id)).version, 3);
    await clock.advance(21 * hour);
    await assert.rejects(owner.get(record.id), { reason: 'SESSION_EXPIRED' });
    assert.equal(owner.sweep(), 1);
  });

  it('are handed over by the opener when they are in no database', async () => {
    const { calls, add } = tier({ persistence: false });
    const [a, b, c] = [add('sec-0'), add('sec-1'), add('sec-2')];
    const record = await a.owner.open(wanted());
    assert.equal((await b.owner.get(record.id)).user, 'ada');
    assert.equal(a.held.size, 0);
    assert.deepEqual(calls, ['sec-1→sec-0']);
    // The opener points to where it went.
    assert.equal((await c.owner.get(record.id)).user, 'ada');
    assert.deepEqual(calls.slice(1), ['sec-2→sec-0', 'sec-2→sec-1']);
    // And back again.
    assert.equal((await a.owner.get(record.id)).user, 'ada');
    assert.deepEqual([a.held.size, b.held.size, c.held.size], [1, 0, 0]);
  });

  it('are not lost with the answer that carried them', async () => {
    const { add } = tier({ persistence: false });
    const [a, b] = [add('sec-0'), add('sec-1')];
    const record = await a.owner.open(wanted());
    // The first answer gets lost on its way.
    assert.ok(a.owner.give(record.id, 'sec-1'));
    assert.equal((await b.owner.get(record.id)).user, 'ada');
    b.held.delete(handleOf(record.id));
    // Whoever has it no longer is not believed to: the giver takes it back.
    assert.equal((await a.owner.get(record.id)).user, 'ada');
  });

  it('are unknown only when everybody who might have them has said so', async () => {
    const { clock, store, down, add } = tier();
    store.noPrimary = true;
    const record = await during(clock, add('sec-0').owner.open(wanted()));
    const b = add('sec-1');
    down.add('sec-0');
    await assert.rejects(during(clock, b.owner.get(record.id)), { reason: 'UNAVAILABLE' });
    down.delete('sec-0');
    assert.equal((await during(clock, b.owner.get(record.id))).user, 'ada');
    // The taker writes behind what the giver had not stored.
    assert.equal(b.persister?.behind.size, 1);
  });

  it('are found at a pod that is slow to answer, as soon as it does', async () => {
    const { clock, down, add } = tier({ persistence: false });
    const [a, b] = [add('sec-0'), add('sec-1')];
    const record = await a.owner.open(wanted());
    down.add('sec-0');
    const found = b.owner.get(record.id);
    await clock.advance(600);
    down.delete('sec-0');
    assert.equal((await during(clock, found)).user, 'ada');
  });

  it('are found at another pod while the database gives no answer, and no later than promised if nowhere', async () => {
    const { clock, store, down, add } = tier();
    const [a, b] = [add('sec-0'), add('sec-1')];
    const record = await a.owner.open(wanted());
    store.readsWaitFor = new Promise(() => {});
    const start = clock.monotonic();
    assert.equal((await during(clock, b.owner.get(record.id))).user, 'ada');
    assert.ok(clock.monotonic() - start <= 500);
    const other = await a.owner.open(wanted());
    down.add('sec-0');
    const begun = clock.monotonic();
    await assert.rejects(during(clock, b.owner.get(other.id)), { reason: 'UNAVAILABLE', retryAfterMs: 300 });
    assert.ok(clock.monotonic() - begun <= 8100);
  });

  it('are not lost when a pod hands over what the database has given meanwhile', async () => {
    const { clock, store, calls, add } = tier();
    const [a, b] = [add('sec-0'), add('sec-1')];
    const record = await a.owner.open(wanted());
    store.noPrimary = true;
    const renewed = await during(clock, a.owner.renew(record, clock.now() + 2 * hour));
    const read = Promise.withResolvers<void>();
    store.readsWaitFor = read.promise;
    const found = b.owner.get(record.id);
    await clock.advance(0);
    await clock.advance(160);
    read.resolve();
    await during(clock, found);
    assert.deepEqual(calls, ['sec-1→sec-0']);
    assert.equal(a.held.size, 0);
    assert.equal(b.held.get(record.id)?.record.version, renewed.version);
  });

  it('are found when they were pushed while they were looked up', async () => {
    const { clock, store, pods, add } = tier();
    store.noPrimary = true;
    const a = add('sec-0');
    const record = await during(clock, a.owner.open(wanted()));
    const b = add('sec-1');
    const read = Promise.withResolvers<void>();
    store.readsWaitFor = read.promise;
    const found = b.owner.get(record.id);
    pods.delete('sec-0');
    assert.equal(await b.owner.accept(a.owner.travelling(record)), true);
    read.resolve();
    assert.equal((await during(clock, found)).user, 'ada');
  });

  it('do not expire by the word of a pod that has missed the renewal, while the database gives no answer', async () => {
    const { clock, store, add } = tier();
    const [a, b] = [add('sec-0'), add('sec-1')];
    const record = await a.owner.open(wanted());
    await b.owner.renew(await b.owner.get(record.id), clock.now() + 3 * hour);
    b.held.delete(handleOf(record.id));
    assert.equal(a.held.get(record.id)?.record.version, 1);
    await clock.advance(2 * hour);
    store.down = true;
    await assert.rejects(during(clock, b.owner.get(record.id)), { reason: 'UNAVAILABLE' });
    store.down = false;
    assert.equal((await during(clock, b.owner.get(record.id))).version, 2);
  });

  it('are given in their newest version, be it one whose answer was lost', async () => {
    const { clock, add } = tier({ persistence: false });
    const [a, b] = [add('sec-0'), add('sec-1')];
    const old = await a.owner.open(wanted());
    const pushed = a.owner.travelling(old);
    await a.owner.renew(old, clock.now() + 2 * hour);
    assert.ok(a.owner.give(old.id, 'sec-1'));
    assert.equal(await a.owner.accept(pushed), true);
    assert.equal((await during(clock, b.owner.get(old.id))).version, 2);
  });

  it('are asked of everybody again when a pod has gone that may have given them away', async () => {
    const { clock, down, pods, add } = tier({ persistence: false });
    const [a, b, c] = [add('sec-0'), add('sec-1'), add('sec-2')];
    const record = await a.owner.open(wanted());
    down.add('sec-0');
    const found = b.owner.get(record.id);
    await clock.advance(300);
    // It gives its session to a pod that has said that it has none, and ends.
    assert.equal(await c.owner.accept(a.owner.travelling(record)), true);
    pods.delete('sec-0');
    assert.equal((await during(clock, found)).user, 'ada');
  });

  it('are found at a pod that has started since it was last known who there is', async () => {
    const { clock, feed, lookNoMore, add } = tier({ persistence: false });
    const { owner } = add('sec-0');
    lookNoMore();
    const record = await add('sec-1').owner.open(wanted());
    assert.equal((await during(clock, owner.get(record.id))).id, record.id);
    const other = await add('sec-2').owner.open(wanted());
    feed.unreadable = true;
    await assert.rejects(during(clock, owner.get(other.id)), { reason: 'UNAVAILABLE' });
  });

  it('wait for look-ups in a bounded number, and those that are held do not', async () => {
    const { clock, store, down, add } = tier();
    const [a, b] = [add('sec-0'), add('sec-1')];
    const elsewhere = await a.owner.open(wanted());
    const here = await b.owner.open(wanted());
    store.readsWaitFor = new Promise(() => {});
    down.add('sec-0');
    const waiting = Array.from({ length: 512 }, () =>
      assert.rejects(b.owner.get(elsewhere.id), { reason: 'UNAVAILABLE' }),
    );
    await assert.rejects(b.owner.get(elsewhere.id), { reason: 'OVERLOADED', retryAfterMs: 250 });
    assert.equal((await b.owner.get(here.id)).id, here.id);
    await during(clock, Promise.all(waiting));
  });

  it('survive being asked for at two pods in turn, as with health checks that flap', async () => {
    for (const persistence of [false, true]) {
      const { clock, add } = tier({ persistence });
      const owners = ['sec-0', 'sec-1', 'sec-2'].map((pod) => add(pod).owner);
      const [first] = owners;
      assert.ok(first);
      const record = await first.open(wanted());
      for (let round = 0; round < 50; round++) {
        const asked = owners.flatMap((owner) => [owner.get(record.id), owner.get(record.id)]);
        const found = await during(clock, Promise.all(asked));
        assert.ok(found.every((each) => each.id === record.id));
      }
    }
  });

  it('are decided about by who has just given them away, and fetched back only by what changes them', async () => {
    const { clock, calls, feed, add } = tier({ persistence: false });
    const [a, b] = [add('sec-0').owner, add('sec-1').owner];
    const record = await a.open(wanted());
    for (let round = 0; round < 10; round++) {
      for (const owner of [b, a]) {
        assert.equal((await owner.get(record.id, { asked: 'unary' })).id, record.id);
        assert.equal(owner.held(record.id).id, record.id);
      }
      await clock.advance(900);
    }
    assert.deepEqual(calls, ['sec-1→sec-0']);
    await clock.advance(1000);
    assert.throws(() => a.held(record.id), { reason: 'NOT_HELD' });
    await a.get(record.id, { asked: 'unary' });
    assert.deepEqual(calls, ['sec-1→sec-0', 'sec-0→sec-1']);
    await b.get(record.id);
    assert.equal(calls.length, 3);
    feed.fresh = false;
    await assert.rejects(a.get(record.id, { asked: 'attach' }), { reason: 'STALE' });
    feed.fresh = true;
    await b.end(record, 'test', 'COMMITTED');
    await assert.rejects(a.get(record.id, { asked: 'unary' }), { reason: 'SESSION_REVOKED' });
  });

  it('keep the highest version when pushed', async () => {
    const { add } = tier({ persistence: false });
    const [a, b] = [add('sec-0').owner, add('sec-1')];
    const record = await a.open(wanted());
    const renewed = await a.renew(record, record.expiresAtMs + hour);
    assert.equal(await b.owner.accept(a.travelling(renewed)), true);
    assert.equal(await b.owner.accept(a.travelling(record)), false);
    assert.equal(b.held.get(record.id)?.record.version, 2);
  });

  it('make room by what can be loaded again, and refuse when there is none', async () => {
    const persisted = tier({ maxHeld: 2 });
    const one = persisted.add('sec-0');
    const first = await one.owner.open(wanted());
    for (let n = 0; n < 2; n++) await one.owner.open(wanted());
    assert.equal(one.held.size, 2);
    assert.equal((await one.owner.get(first.id)).user, 'ada');
    const memory = tier({ maxHeld: 2, persistence: false }).add('sec-0').owner;
    for (let n = 0; n < 2; n++) await memory.open(wanted());
    await assert.rejects(memory.open(wanted()), { reason: 'OVERLOADED' });
  });
});
