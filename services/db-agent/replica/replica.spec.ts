import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import type { AgentStatus } from '../status.ts';
import { idleStatus } from '../test-status.ts';
import { type ChannelState, decideReplica } from './decide-replica.ts';
import { Lag } from './lag.ts';

const uuid = '11111111-1111-4111-8111-111111111111';
const none = { number: 0, text: '' };
const sources = [0, 1, 2].map((n) => ({ pod: `db-${n}`, address: '10.0.0.1', groupPort: 3000 + n }));
const member = (pod: string, role: 'PRIMARY' | 'SECONDARY', more: Partial<AgentStatus> = {}) => ({
  pod,
  status: idleStatus(pod, { state: 'ONLINE', role, majority: true, view: '7:3', ...more }),
});
const group = [member('db-0', 'SECONDARY'), member('db-1', 'PRIMARY'), member('db-2', 'SECONDARY')];
const following = (port: number, more: Partial<ChannelState> = {}): ChannelState => ({
  ...{ source: `10.0.0.1:${port}`, receiving: 'ON', applying: 'ON', receiveError: none, applyError: none },
  ...more,
});
const decide = (more: Partial<Parameters<typeof decideReplica>[0]> = {}) =>
  decideReplica({ pod: 'db-far-0', fresh: false, channel: following(3001), sources, peers: group, ...more });

describe('what a replica does', () => {
  it('copies a secondary at first, and waits while there is no member', () => {
    assert.deepEqual(decide({ fresh: true, channel: undefined }), { do: 'copy', from: sources[2] });
    assert.equal(decide({ fresh: true, channel: undefined, peers: [] }).do, 'wait');
  });

  it('follows the primary, and stays with a member that is not', () => {
    assert.deepEqual(decide({ channel: undefined }), { do: 'follow', source: sources[1] });
    assert.deepEqual(decide(), { do: 'nothing' });
    assert.deepEqual(decide({ channel: following(3002) }), { do: 'nothing' });
  });

  it('goes elsewhere when its source is dead, cut off, full, or in an older view', () => {
    const [zero, , two] = group as [(typeof group)[0], (typeof group)[0], (typeof group)[0]];
    const elsewhere = [{ pod: 'db-1', status: undefined }].concat(
      [{ majority: false }, { full: true }, { view: '7:2' }].map((less) =>
        member('db-1', 'PRIMARY', less),
      ) as never,
    );
    for (const lost of elsewhere)
      assert.deepEqual(decide({ peers: [zero, lost, two] }), { do: 'follow', source: sources[0] });
    // With nobody else it stays: the source may be all there is.
    assert.equal(decide({ peers: [] }).do, 'wait');
  });

  it('starts what has stopped, with the same source', () => {
    assert.deepEqual(decide({ channel: following(3002, { receiving: 'OFF' }) }), {
      do: 'follow',
      source: sources[2],
    });
    assert.deepEqual(decide({ channel: following(3002, { receiving: 'CONNECTING' }) }), { do: 'nothing' });
  });

  it('begins anew when the log that it needs is gone, and asks an operator when it cannot apply', () => {
    const purged = { number: 13114, text: 'purged' };
    assert.deepEqual(decide({ channel: following(3001, { receiving: 'OFF', receiveError: purged }) }), {
      do: 'start-over',
      why: 'purged',
    });
    const step = decide({ channel: following(3001, { applyError: { number: 1062, text: 'twice' } }) });
    assert.match(step.do === 'wait' ? step.for : '', /1062 twice.*db rebuild db-far-0/);
  });
});

describe('the lag of a replica', () => {
  const word = (askedAt: number, upTo: number) => ({ askedAt, gtidExecuted: `${uuid}:1-${upTo}` });

  it('is the age of the latest word of the primary of which it has everything', () => {
    const lag = new Lag();
    lag.note(word(1000, 5), `${uuid}:1-4`);
    assert.equal(lag.at(1100), undefined);
    lag.note(word(1200, 9), `${uuid}:1-5`);
    assert.equal(lag.at(1300), 300);
    lag.note(word(1400, 9), `${uuid}:1-12`);
    assert.equal(lag.at(1450), 50);
  });

  it('grows while no primary can be asked, and while nothing comes', () => {
    const lag = new Lag();
    lag.note(word(1000, 5), `${uuid}:1-5`);
    lag.note(undefined, `${uuid}:1-5`);
    assert.equal(lag.at(9000), 8000);
    for (let at = 2000; at < 1_000_000; at += 200) lag.note(word(at, at), `${uuid}:1-5`);
    assert.equal(lag.at(1_000_000), 999_000);
    lag.note(undefined, `${uuid}:1-1000000`);
    assert.ok((lag.at(1_000_000) ?? 0) <= 5000);
  });
});
