import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'mocha';
import { parse } from 'yaml';
import { loadPolicy } from '#core/policy/compile.ts';
import { decideRequest } from '#core/policy/decide.ts';

describe('the policy of the demo', () => {
  const policy = loadPolicy(parse(readFileSync(new URL('policy.yaml', import.meta.url), 'utf8')), 1);
  const ask = (path: string, group: string, version: string) =>
    decideRequest(
      {
        user: 'ada',
        groups: [group],
        deviceId: 'd',
        expiresAt: 2000,
        authLevel: 1,
        app: {
          platform: 'ios',
          appId: 'com.example.field',
          version,
          certDigest: '',
          osVersion: '17',
          posture: {},
        },
      },
      { method: 'GET', authority: 'intranet.example', path },
      policy,
      1000,
    ).reason;

  it('lets staff in, and to payroll only its clerks with a new app', () => {
    assert.equal(ask('/', 'staff', '1.0'), 'ALLOWED');
    assert.equal(ask('/', 'guests', '1.0'), 'NO_RULE');
    assert.equal(ask('/payroll', 'staff', '1.2'), 'NO_RULE');
    assert.equal(ask('/payroll', 'payroll', '1.1'), 'APP_TOO_OLD');
    assert.equal(ask('/payroll/2026', 'payroll', '1.2'), 'ALLOWED');
  });
});
