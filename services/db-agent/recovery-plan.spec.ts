import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { recoveryPlan } from './recovery-plan.ts';
import type { AgentStatus } from './status.ts';
import { idleStatus } from './test-status.ts';

const uuid = '3e11fa47-71ca-11e1-9e33-c80aa9429562';
const gtids = (range: string): string => `${uuid}:${range}`;
const node = (pod: string, range: string, more: Partial<AgentStatus> = {}) => ({
  pod,
  status: idleStatus(pod, {
    gtidExecuted: gtids(range),
    fresh: false,
    remembered: { view: '10:7', primary: 'uuid-of-db-1' },
    ...more,
  }),
});
const member = (pod: string, role: AgentStatus['role'] = 'SECONDARY') =>
  node(pod, '1-9', { state: 'ONLINE', phase: 'member', majority: true, role });
const silent = (pod: string) => ({ pod, status: undefined });

describe('what a database group needs', () => {
  it('is nothing while all are members', () => {
    assert.deepEqual(recoveryPlan([member('db-0'), member('db-1', 'PRIMARY'), member('db-2')]), { is: 'up' });
  });

  it('is patience while a majority lives, but for data that it does not have', () => {
    const stranger = node('db-2', '1-12', { waitingFor: 'an operator: the group does not have …' });
    const joining = node('db-0', '1-3', { phase: 'joining' });
    assert.deepEqual(recoveryPlan([joining, member('db-1', 'PRIMARY'), stranger]), {
      is: 'living',
      strangers: ['db-2'],
    });
  });

  it('is patience while one has everything, or what they have is not known yet', () => {
    assert.deepEqual(recoveryPlan([node('db-0', '1-9'), node('db-1', '1-10'), node('db-2', '1-8')]), {
      is: 'settling',
    });
    const applying = node('db-2', '1-8', { gtidReceived: gtids('1-11'), phase: 'applying' });
    assert.equal(recoveryPlan([node('db-0', '1-9'), node('db-1', '1-10'), applying]).is, 'settling');
  });

  it('is a word when a node is missing, which says whether the last primary is among those that are left', () => {
    const secondary = recoveryPlan([node('db-0', '1-9'), node('db-1', '1-10'), silent('db-2')]);
    assert.ok(secondary.is === 'stuck');
    assert.deepEqual([secondary.missing, secondary.best, secondary.leftBehind], [['db-2'], 'db-1', []]);
    assert.match(secondary.mayLose, /^nothing that was acknowledged.*db-1 was the primary/);
    const primary = recoveryPlan([node('db-0', '1-9'), silent('db-1'), node('db-2', '1-9')]);
    assert.ok(primary.is === 'stuck');
    assert.equal(primary.best, 'db-0');
    assert.match(primary.mayLose, /db-1, the last primary, had committed in its last moments/);
    // The newest memory counts; one of three cannot know what the two others did without it.
    const older = { remembered: { view: '10:3', primary: 'uuid-of-db-0' } };
    const mixed = recoveryPlan([node('db-0', '1-9', older), node('db-2', '1-9'), silent('db-1')]);
    assert.ok(mixed.is === 'stuck' && mixed.mayLose.includes('db-1, the last primary'));
    const alone = recoveryPlan([silent('db-0'), node('db-1', '1-9'), silent('db-2')]);
    assert.ok(alone.is === 'stuck' && alone.mayLose.includes('db-0 and db-2'));
  });

  it('is a word when none has everything, which says what is left behind', () => {
    const nodes = [node('db-0', '1-9:12'), node('db-1', '1-11'), node('db-2', '1-8')];
    const plan = recoveryPlan(nodes);
    assert.ok(plan.is === 'stuck');
    assert.equal(plan.best, 'db-1');
    assert.deepEqual(plan.leftBehind, [{ pod: 'db-0', gtids: gtids('12'), count: 1 }]);
    const other = recoveryPlan(nodes, 'db-0');
    assert.ok(other.is === 'stuck' && other.best === 'db-0');
    assert.deepEqual(other.leftBehind, [{ pod: 'db-1', gtids: gtids('10-11'), count: 2 }]);
  });

  it('is not judged before relay logs are applied', () => {
    const busy = node('db-0', '1-9', { gtidReceived: gtids('1-10') });
    const plan = recoveryPlan([busy, silent('db-1'), node('db-2', '1-9')]);
    assert.ok(plan.is === 'stuck' && !plan.comparable && plan.best === undefined);
    assert.ok(recoveryPlan([silent('db-0'), silent('db-1')]).is === 'stuck');
  });
});
