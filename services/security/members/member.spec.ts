import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { livingPeers, type Member } from './member.ts';

const member = (pod: string, heartbeatMs: number, more: Partial<Member> = {}): Member => ({
  pod,
  incarnation: 1,
  heartbeatMs,
  state: 'serving',
  feedPosition: 0,
  ...more,
});
const names = (members: readonly Member[]): string[] => livingPeers(members, 'sec-0').map(({ pod }) => pod);

describe('which pods are worth asking', () => {
  it('are those whose heartbeats go on, and not this one', () => {
    assert.deepEqual(names([member('sec-0', 60_000), member('sec-1', 59_000), member('sec-2', 55_000)]), [
      'sec-1',
    ]);
  });

  it('are all of them while nobody can write a heartbeat, however long that lasts', () => {
    assert.deepEqual(names([member('sec-0', 10_000), member('sec-1', 10_900), member('sec-2', 9000)]), [
      'sec-1',
      'sec-2',
    ]);
  });

  it('are no pods that have stopped; draining ones have what they have', () => {
    const stopped = member('sec-1', 60_000, { state: 'stopped' });
    assert.deepEqual(
      names([member('sec-0', 60_000), stopped, member('sec-2', 60_000, { state: 'draining' })]),
      ['sec-2'],
    );
    assert.deepEqual(names([]), []);
  });
});
