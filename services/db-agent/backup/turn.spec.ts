import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import type { AgentStatus } from '../status.ts';
import { idleStatus } from '../test-status.ts';
import { isBackupTurn } from './turn.ts';

const member = (pod: string, change: Partial<AgentStatus> = {}): AgentStatus =>
  idleStatus(pod, {
    ...{ state: 'ONLINE', role: 'SECONDARY', majority: true, phase: 'member' },
    ...change,
  });

/** Who of these makes the backups. */
const whoseTurn = (...all: AgentStatus[]): string[] =>
  all
    .filter((self) =>
      isBackupTurn(
        self,
        all.filter((other) => other !== self).map((status) => ({ pod: status.pod, status })),
      ),
    )
    .map(({ pod }) => pod);

describe('the node that makes the backups', () => {
  it('is the first secondary, and the primary only when it is alone', () => {
    assert.deepEqual(whoseTurn(member('db-0', { role: 'PRIMARY' }), member('db-1'), member('db-2')), [
      'db-1',
    ]);
    assert.deepEqual(whoseTurn(member('db-0', { role: 'PRIMARY' })), ['db-0']);
  });

  it('is in the group, has room, and has not failed at it', () => {
    const primary = member('db-0', { role: 'PRIMARY' });
    for (const change of [{ state: 'RECOVERING' }, { full: true }, { backupFailing: true }] as const)
      assert.deepEqual(whoseTurn(primary, member('db-1', change), member('db-2')), ['db-2']);
    // Where all have failed, somebody still tries.
    const failing = { backupFailing: true };
    assert.deepEqual(whoseTurn({ ...primary, ...failing }, member('db-1', failing)), ['db-1']);
  });

  it('is nobody without a majority', () => {
    assert.deepEqual(whoseTurn(member('db-1', { majority: false })), []);
  });
});
