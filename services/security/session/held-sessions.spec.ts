import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { HeldSessions } from './held-sessions.ts';
import { handleOf, type SessionRecord } from './record.ts';

const routeKey = 'A'.repeat(22);
const record = (n: number, more: Partial<SessionRecord> = {}): SessionRecord => ({
  id: `${routeKey}.sec-0.${String(n).padStart(22, 'B')}.${'C'.repeat(22)}`,
  ...{ routeKey, opener: 'sec-0', kind: 'device', user: `Łukasz ${n}`, groups: ['staff', 'vpn'] },
  deviceId: `device-${n}`,
  app: {
    ...{
      platform: 'ios',
      appId: 'com.example',
      version: '1.2',
      certDigest: 'ab'.repeat(32),
      osVersion: '18',
    },
    posture: { rooted: 'false' },
  },
  sessionKey: new Uint8Array(32).fill(n),
  ...{ openedAtMs: 1000, expiresAtMs: 100_000, lastSeenMs: 1000, feedPosition: 7, era: 2, version: 3 },
  ...{ openHash: new Uint8Array(32), openReply: new Uint8Array(9), writtenBehind: false, amr: ['pwd'] },
  ...more,
});
const never = () => false;
const idle = { idleSinceMs: 5000, openedBeforeMs: 5000 };

describe('sessions in memory', () => {
  it('are the same after they were packed, but for the answer that nobody may ask for again', () => {
    const held = new HeldSessions(10);
    const records = [record(1), record(2, { app: undefined, kind: 'person', deviceId: '', groups: [] })];
    for (const each of records) held.put(each, 5);
    assert.equal(held.sweep(never, idle), 0);
    for (const each of records) {
      const found = held.get(each.id);
      assert.deepEqual(found?.record, { ...each, openHash: undefined, openReply: undefined });
      assert.equal(found?.checkedAt, -1, 'looked up again in the feed');
      assert.equal(held.get(each.id), found, 'unpacked once');
    }
    held.sweep(never, idle);
    assert.equal(
      held.get(`${handleOf(record(1).id)}.${'D'.repeat(22)}`),
      undefined,
      'a handle is not enough',
    );
    assert.deepEqual(
      [...held.values()].map((each) => each.record.user),
      ['Łukasz 1', 'Łukasz 2'],
    );
  });

  it('stay as they are while they are used, may be opened again, or are in no database', () => {
    const held = new HeldSessions(10);
    const kept = [
      record(1, { lastSeenMs: 6000 }),
      record(2, { openedAtMs: 6000 }),
      record(3, { writtenBehind: true }),
      record(4, { user: 'a\0b' }),
    ];
    for (const each of kept) held.put(each, 5);
    held.sweep(never, idle);
    for (const each of kept) assert.equal(held.get(each.id)?.record, each);
  });

  it('are dropped when they are over, packed or not', () => {
    const held = new HeldSessions(10);
    for (const n of [1, 2, 3, 4]) held.put(record(n, n > 2 ? { writtenBehind: true } : {}), 5);
    held.sweep(never, idle);
    const seen: unknown[] = [];
    const dropped = held.sweep((session) => {
      seen.push([
        session.user,
        session.deviceId,
        session.feedPosition,
        session.routeKey,
        handleOf(session.id),
      ]);
      return session.user.endsWith('1') || session.deviceId.endsWith('3');
    }, idle);
    assert.equal(dropped, 2);
    assert.equal(held.size, 2);
    assert.deepEqual(
      seen,
      [1, 2, 3, 4].map((n) => [`Łukasz ${n}`, `device-${n}`, 7, routeKey, handleOf(record(n).id)]),
    );
  });

  it('make room by those that are in the database, packed ones too', () => {
    const held = new HeldSessions(2);
    held.put(record(1, { writtenBehind: true }), 5);
    held.put(record(2), 5);
    held.sweep(never, idle);
    assert.ok(held.put(record(3, { writtenBehind: true }), 5));
    assert.equal(held.byHandle(handleOf(record(2).id)), undefined);
    assert.equal(held.put(record(4), 5), undefined, 'both others are in no other place');
  });
});
