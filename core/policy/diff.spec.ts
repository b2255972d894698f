import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { loadPolicy } from './compile.ts';
import { diffPolicies, type RecordedCase, summarizeDiff } from './diff.ts';

const policy = (payroll: string) =>
  loadPolicy(
    {
      resources: [
        { name: 'intranet', backend: 'b', hosts: ['h'], rules: [{ name: 'all', groups: ['*'] }] },
        {
          name: 'payroll',
          backend: 'b',
          hosts: ['h'],
          pathPrefix: '/payroll',
          rules: [{ name: 'p', groups: [payroll] }],
        },
      ],
    },
    1,
  );
const asked = (user: string, group: string, path: string): RecordedCase => ({
  session: { user, groups: [group], deviceId: 'd', expiresAt: 2000, authLevel: 1 },
  request: { method: 'GET', authority: 'h', path },
  at: 1000,
});

describe('a dry run', () => {
  const cases = [
    asked('ada', 'hr', '/payroll'),
    asked('ada', 'hr', '/payroll/1'),
    asked('bob', 'hr', '/payroll'),
    asked('eve', 'finance', '/payroll'),
    asked('eve', 'finance', '/'),
    asked('eve', 'finance', '/../x'),
  ];

  it('says who would gain and lose what', () => {
    const diff = diffPolicies(policy('hr'), policy('finance'), cases);
    assert.deepEqual([diff.compared, diff.skipped, diff.gains.length, diff.losses.length], [5, 1, 1, 3]);
    const example = { method: 'GET', authority: 'h', path: '/payroll' };
    assert.deepEqual(diff.byResource, [
      { resource: 'payroll', gain: ['eve'], lose: ['ada', 'bob'], example },
    ]);
    assert.deepEqual(summarizeDiff(diff), ['2 users would lose payroll', '1 user would gain payroll']);
    assert.equal(diff.losses[0]?.after.reason, 'NO_RULE');
  });

  it('is empty between equal policies, and keeps to its limit', () => {
    assert.deepEqual(summarizeDiff(diffPolicies(policy('hr'), policy('hr'), cases)), []);
    assert.equal(diffPolicies(policy('hr'), policy('finance'), cases, { limit: 1 }).losses.length, 1);
  });
});
