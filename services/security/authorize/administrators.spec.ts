import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { describe, it } from 'mocha';
import { SallyportError } from '#core/errors/error.ts';
import { adminMethods } from '#envoy/model/access.ts';
import type { Caller } from '#kernel/rpc/caller.ts';
import type { PersonRole } from '../directory/roles.ts';
import { tokenFor } from '../session/people-token.ts';
import type { SessionRecord } from '../session/record.ts';
import { administrators, changeKey, requireRank } from './administrators.ts';
import { leastRole } from './role-table.ts';

const secret = randomBytes(32);
const record: SessionRecord = {
  id: 'route.sec-0.random.mac',
  routeKey: 'route',
  opener: 'sec-0',
  kind: 'person',
  user: 'ada',
  groups: [],
  deviceId: '',
  app: undefined,
  sessionKey: createHash('sha256').update(secret).digest(),
  openedAtMs: 0,
  expiresAtMs: 1,
  lastSeenMs: 0,
  feedPosition: 0,
  era: 1,
  version: 1,
  openHash: undefined,
  openReply: undefined,
  writtenBehind: false,
  amr: ['pwd'],
};
const methods = {
  view: 'sallyport.directory.v1.Directory/ListUsers',
  help: 'sallyport.keystore.v1.KeyStore/CreateActivation',
  change: 'sallyport.directory.v1.Directory/SetPassword',
  key: 'sallyport.keystore.v1.KeyStore/RotateRootKey',
};

describe('administrators', () => {
  const admit = (roles: readonly PersonRole[], caller: Caller, method: string, token?: string) =>
    administrators({ sessions: { get: async () => record }, rolesOf: async () => roles }).admit({
      caller,
      method,
      signal: new AbortController().signal,
      header: (name) => (name === 'authorization' && token !== undefined ? `Bearer ${token}` : undefined),
    });
  const edge: Caller = { role: 'edge', pod: 'edge-0' };
  const mine = tokenFor(record.id, secret);
  const reason = (expected: string) => (error: unknown) => SallyportError.from(error).reason === expected;

  it('are people with a role, each for what the role may do', async () => {
    const may: readonly (readonly [readonly PersonRole[], readonly (keyof typeof methods)[]])[] = [
      [[], []],
      [['viewer'], ['view']],
      [['helpdesk'], ['view', 'help']],
      [
        ['operator', 'viewer'],
        ['view', 'help', 'change'],
      ],
      [['security-officer'], ['view', 'help', 'change', 'key']],
    ];
    for (const [roles, allowed] of may) {
      for (const [name, method] of Object.entries(methods)) {
        const asked = admit(roles, edge, method, mine);
        if (allowed.some((each) => each === name)) assert.equal((await asked).name, 'person/ada');
        else await assert.rejects(asked, reason('CALLER_NOT_ALLOWED'), `${roles.join()} ${name}`);
      }
    }
  });

  it('need two ways where their role does, and may do less without', async () => {
    const having = (amr: readonly string[], roles: readonly PersonRole[], twoWays: PersonRole) =>
      administrators({
        ...{ sessions: { get: async () => ({ ...record, amr }) }, rolesOf: async () => roles, twoWays },
      });
    const call = (method: string) => ({
      ...{ caller: edge, method, signal: new AbortController().signal },
      header: (name: string) => ({ authorization: `Bearer ${mine}`, 'x-sallyport-admin': 'on' })[name],
    });
    const weak = having(['pwd'], ['security-officer'], 'operator');
    const strong = having(['oidc', 'mfa'], ['security-officer'], 'operator');
    assert.equal((await strong.admit(call(methods.key))).role, 'security-officer');
    const helps = await weak.admit(call(methods.help));
    assert.equal(helps.role, 'helpdesk');
    for (const method of [methods.change, methods.key]) {
      await assert.rejects(weak.admit(call(method)), reason('STEP_UP_NEEDED'));
    }
    // What is looked at where it is done, too.
    assert.throws(() => requireRank(helps, 'operator', 'it'), reason('STEP_UP_NEEDED'));
    const helper = having(['pwd'], ['helpdesk'], 'operator');
    await assert.rejects(helper.admit(call(methods.key)), reason('CALLER_NOT_ALLOWED'));
    const nobody = having(['pwd'], ['operator'], 'viewer');
    await assert.rejects(nobody.admit(call(methods.view)), reason('STEP_UP_NEEDED'));

    const items = call('sallyport.task.v1.WorkItemService/ListItems');
    assert.deepEqual(await strong.admitOwner(items), {
      ...{ name: 'person/ada', owner: undefined, highest: 'security-officer' },
    });
    assert.deepEqual(await weak.admitOwner(items), {
      ...{ name: 'person/ada', owner: 'ada', highest: 'helpdesk' },
    });
  });

  it('are operators by certificate, and nobody else without a token', async () => {
    const by = await admit([], { role: 'operator', pod: 'max' }, methods.key);
    assert.deepEqual(by, { name: 'operator/max', role: 'security-officer' });
    const all: readonly PersonRole[] = ['security-officer'];
    await assert.rejects(admit(all, edge, methods.view), reason('TOKEN_INVALID'));
    await assert.rejects(
      admit(all, edge, methods.view, tokenFor(record.id, randomBytes(32))),
      reason('TOKEN_INVALID'),
    );
    for (const role of ['proxy', 'backend', 'unknown'] as const) {
      await assert.rejects(admit(all, { role, pod: 'x' }, methods.view, mine), reason('CALLER_NOT_ALLOWED'));
    }
    await assert.rejects(admit(all, edge, 'some.Service/Method', mine), reason('CALLER_NOT_ALLOWED'));
  });

  it('have a least role for everything that an edge may let through', () => {
    const unnamed = adminMethods
      .map(({ path }) => path.slice(1))
      .filter((path) => leastRole[path] === undefined);
    assert.deepEqual(unnamed, []);
  });

  it('name their changes in bounds, and stay below their rank', () => {
    const helper = { name: `person/${'ü'.repeat(128)}`, role: 'helpdesk' } as const;
    const key = changeKey({ method: methods.change }, helper, 'k'.repeat(64));
    assert.ok(Buffer.byteLength(key) <= 160);
    requireRank(helper, 'viewer', 'this');
    assert.throws(() => requireRank(helper, 'operator', 'this'), reason('CALLER_NOT_ALLOWED'));
  });
});
