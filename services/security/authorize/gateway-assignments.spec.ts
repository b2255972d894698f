import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { ManualClock } from '#kernel/time/manual-clock.ts';
import { GatewayAssignments } from './gateway-assignments.ts';

const none = { gateways: [], failedGateways: [] };
const dead = (...failedGateways: string[]) => ({ gateways: [], failedGateways });

function given(max = 100) {
  const clock = new ManualClock();
  const groups = [
    { name: 'hr', pods: ['hr-0', 'hr-1', 'hr-2'] },
    { name: 'crm', pods: ['crm-0'] },
  ];
  const pod = () => new GatewayAssignments(groups, clock, max);
  return { clock, pod, owner: pod() };
}

describe('gateways of sessions', () => {
  it('are given round robin within the group, and kept', () => {
    const { owner } = given();
    const first = ['a', 'b', 'c', 'd'].map((session) => owner.assign(session, 'hr', none));
    assert.deepEqual(first, ['hr-0', 'hr-1', 'hr-2', 'hr-0']);
    assert.equal(owner.assign('a', 'crm', none), 'crm-0');
    assert.deepEqual(
      ['a', 'b', 'c', 'd'].map((session) => owner.assign(session, 'hr', none)),
      first,
    );
    assert.equal(owner.assign('a', 'sales', none), undefined);
  });

  it('change when they are dead, and not back when they live again', async () => {
    const { owner, clock } = given();
    owner.assign('a', 'hr', none);
    assert.equal(owner.assign('a', 'hr', dead('hr-0')), 'hr-1');
    await clock.advance(60_000);
    assert.equal(owner.assign('a', 'hr', none), 'hr-1');
    // Another proxy's word about a gateway that the session does not use any more.
    assert.equal(owner.assign('a', 'hr', dead('hr-0')), 'hr-1');
  });

  it('are not newly given for a while after one was found dead, unless there is no other', async () => {
    const { owner, clock } = given();
    owner.assign('a', 'hr', dead('hr-1'));
    assert.deepEqual(
      ['b', 'c'].map((session) => owner.assign(session, 'hr', none)),
      ['hr-2', 'hr-0'],
    );
    await clock.advance(5000);
    assert.equal(owner.assign('d', 'hr', none), 'hr-1');
    assert.equal(owner.assign('a', 'crm', dead('crm-0')), 'crm-0');
    assert.equal(owner.assign('a', 'hr', dead('hr-0', 'hr-1', 'hr-2')), 'hr-0');
  });

  it('are taken over by the next owner: as handed over, else as the proxy says', () => {
    const { owner, pod } = given();
    owner.assign('a', 'hr', none);
    owner.assign('b', 'hr', none);
    const next = pod();
    next.adopt('b', owner.of('b'));
    assert.deepEqual(next.of('b'), { hr: 'hr-1' });
    const says = { gateways: ['crm-0', 'hr-2', 'unheard-of'], failedGateways: [] };
    assert.equal(next.assign('b', 'hr', says), 'hr-1');
    assert.equal(next.assign('a', 'hr', says), 'hr-2');
    next.adopt('a', { hr: 'hr-0', sales: 'sales-0' });
    assert.deepEqual(next.of('a'), { hr: 'hr-2' });
    next.adopt('e', { hr: 'crm-0' });
    assert.deepEqual(next.of('e'), {});
  });

  it('follow the gateways that there are: those of one that has gone are given another, the others stay', () => {
    const { owner } = given();
    for (const session of ['a', 'b', 'c']) owner.assign(session, 'hr', none);
    owner.setGroups([{ name: 'hr', pods: ['hr-0', 'hr-2', 'hr-3'] }]);
    const where = ['a', 'b', 'c'].map((session) => owner.assign(session, 'hr', none));
    assert.deepEqual([where[0], where[2]], ['hr-0', 'hr-2']);
    assert.notEqual(where[1], 'hr-1');
    const next = ['d', 'e', 'f'].map((session) => owner.assign(session, 'hr', none));
    assert.deepEqual(next.sort(), ['hr-0', 'hr-2', 'hr-3']);
  });

  it('are forgotten where there are too many', () => {
    const { owner } = given(2);
    for (const session of ['a', 'b', 'c']) owner.assign(session, 'hr', none);
    assert.deepEqual([owner.of('a'), owner.of('c')], [{}, { hr: 'hr-2' }]);
  });
});
