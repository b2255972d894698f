import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { SallyportError } from '#core/errors/error.ts';
import { silentLogger } from '#kernel/log/logger.ts';
import { ManualClock } from '#kernel/time/manual-clock.ts';
import type { Member, MemberState } from '../members/member.ts';
import { giveAway } from './give-away.ts';
import type { SessionRecord } from './record.ts';

/** A pod that stops, and what the others are; `told` are those that were given something. */
function stopping(others: Record<string, MemberState>) {
  const clock = new ManualClock();
  const states = new Map(Object.entries(others));
  const refusing = new Set<string>();
  const told: string[] = [];
  let known: Member[] = [];
  const gone = giveAway(
    {
      pod: 'sec-0',
      clock,
      log: silentLogger,
      members: () => known,
      refreshMembers: async () => {
        known = [...states].map(([pod, state]) => ({
          pod,
          incarnation: 1,
          heartbeatMs: 0,
          state,
          feedPosition: 0,
        }));
      },
      peers: {
        pushSessions: async (pod, sessions) => {
          told.push(pod);
          if (refusing.has(pod)) throw new SallyportError('UNAVAILABLE');
          return sessions.length;
        },
      },
      owner: { travelling: ({ id }) => ({ sessionId: id, record: new Uint8Array(), version: 1 }) },
    },
    [{ id: 'one' } as SessionRecord],
  );
  return { clock, states, refusing, told, gone };
}

describe('sessions that a stopping pod gives away', () => {
  it('go to one that serves by a look of now', async () => {
    const { told, gone } = stopping({ 'sec-1': 'draining', 'sec-2': 'serving' });
    assert.equal(await gone, 1);
    assert.deepEqual(told, ['sec-2']);
  });

  it('go to one that is only starting as soon as it serves', async () => {
    const { clock, states, told, gone } = stopping({ 'sec-1': 'starting' });
    await clock.advance(2000);
    assert.deepEqual(told, []);
    states.set('sec-1', 'serving');
    await clock.advance(500);
    assert.equal(await gone, 1);
  });

  it('are offered again to one that did not take them, for a bounded time', async () => {
    const { clock, refusing, told, gone } = stopping({ 'sec-1': 'serving' });
    refusing.add('sec-1');
    for (let n = 0; n < 60; n++) await clock.advance(500);
    assert.equal(await gone, 0);
    assert.ok(told.length > 3, String(told.length));
  });

  it('go nowhere, at once, when all stop', async () => {
    assert.equal(await stopping({ 'sec-1': 'draining' }).gone, 0);
  });
});
