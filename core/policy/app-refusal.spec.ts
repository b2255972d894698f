import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { appRefusal } from './app-refusal.ts';
import { loadPolicy } from './compile.ts';
import { decideRequest } from './decide.ts';
import { type AppContext, freezeSession, type SessionFacts } from './facts.ts';

const digest = 'ab'.repeat(32);
const app: AppContext = {
  platform: 'ios',
  appId: 'com.example.field',
  version: '1.2.0',
  certDigest: digest,
  osVersion: '17.4',
  posture: { rooted: 'false' },
};
const session: SessionFacts = {
  ...{ user: 'ada', groups: ['staff'], deviceId: 'd1', expiresAt: 2000, authLevel: 1, app },
};
const policyOf = (apps: readonly object[] | undefined) =>
  loadPolicy(
    {
      ...(apps && { apps }),
      resources: [
        { name: 'news', backend: 'b', hosts: ['h'], rules: [{ name: 'staff', groups: ['staff'] }] },
        { name: 'pay', backend: 'b', hosts: ['h'], pathPrefix: '/pay', rules: [] },
      ],
    },
    1,
  );
const get = (path: string) => ({ method: 'GET', authority: 'h', path });

describe('what the policy asks of apps', () => {
  const cases: readonly (readonly [object[], Partial<AppContext>, string | undefined])[] = [
    [[{ id: app.appId, minVersion: '1.2' }], {}, undefined],
    [[{ id: app.appId, minVersion: '1.2' }], { version: '1.1.9' }, 'APP_TOO_OLD'],
    [[{ id: app.appId, maxVersion: '1.2' }], { version: '1.3' }, 'APP_TOO_NEW'],
    [[{ id: app.appId, blockedVersions: ['1.2.0'] }], {}, 'APP_BLOCKED'],
    [[{ id: app.appId, minVersion: '1' }], { version: 'not a version' }, 'APP_TOO_OLD'],
    [[{ id: app.appId, certDigests: [digest] }], {}, undefined],
    [[{ id: app.appId, certDigests: [digest] }], { certDigest: 'cd'.repeat(32) }, 'APP_CERTIFICATE'],
    [[{ id: app.appId, certDigests: [digest] }], { certDigest: '' }, 'APP_CERTIFICATE'],
    [[{ id: app.appId, platforms: ['ios'] }], { platform: 'android' }, 'PLATFORM'],
    [[{ id: app.appId, minOsVersion: { ios: '17' } }], { osVersion: '16.9' }, 'OS_TOO_OLD'],
    [[{ id: app.appId, posture: { rooted: false } }], {}, undefined],
    [[{ id: app.appId, posture: { rooted: false } }], { posture: { rooted: 'true' } }, 'POSTURE'],
    [[{ id: app.appId, posture: { rooted: false } }], { posture: {} }, 'POSTURE'],
    // Another app is not concerned.
    [[{ id: 'com.example.other', minVersion: '9' }], {}, undefined],
    // One of two entries is enough, and the nearest miss is told.
    [
      [
        { id: app.appId, platforms: ['android'] },
        { id: app.appId, minVersion: '1' },
      ],
      {},
      undefined,
    ],
    [
      [
        { id: app.appId, platforms: ['android'] },
        { id: app.appId, minVersion: '2' },
      ],
      {},
      'APP_TOO_OLD',
    ],
  ];
  for (const [apps, change, refusal] of cases) {
    it(`${refusal ?? 'nothing'} for ${JSON.stringify(apps)} of ${JSON.stringify(change)}`, () => {
      const policy = policyOf(apps);
      const facts = freezeSession({ ...session, app: { ...app, ...change } });
      // Twice: the second time it is remembered.
      for (const _ of [1, 2]) {
        assert.equal(appRefusal(policy, facts.app), refusal);
        const grant = decideRequest(facts, get('/'), policy, 1000);
        assert.deepEqual(
          [grant.allow, grant.endsSession, grant.reason],
          refusal ? [false, true, refusal] : [true, false, 'ALLOWED'],
        );
      }
    });
  }

  it('ends a session whatever it asks for, also what no resource serves', () => {
    const policy = policyOf([{ id: app.appId, minVersion: '2' }]);
    for (const path of ['/', '/pay']) {
      assert.equal(decideRequest(session, get(path), policy, 1000).endsSession, true);
    }
    const elsewhere = { ...get('/'), authority: 'nowhere' };
    assert.equal(decideRequest(session, elsewhere, policy, 1000).endsSession, true);
  });

  it('concerns no session of a person, and none without such a part of the policy', () => {
    const person = { ...session, app: undefined };
    assert.equal(
      decideRequest(person, get('/'), policyOf([{ id: app.appId, minVersion: '2' }]), 1).allow,
      true,
    );
    assert.equal(decideRequest(session, get('/'), policyOf(undefined), 1).allow, true);
    assert.equal(decideRequest(session, get('/pay'), policyOf(undefined), 1).endsSession, false);
  });

  it('is looked at anew when the app could have changed', () => {
    const policy = policyOf([{ id: app.appId, minVersion: '1.2' }]);
    const changing = { ...app };
    assert.equal(appRefusal(policy, changing), undefined);
    changing.version = '1.0';
    assert.equal(appRefusal(policy, changing), 'APP_TOO_OLD');
  });

  it('is refused when it contradicts itself', () => {
    assert.throws(
      () => policyOf([{ id: app.appId, minVersion: '2', maxVersion: '1' }]),
      /minVersion|maxVersion/,
    );
    assert.throws(() => policyOf([{ id: app.appId, unheardOf: 1 }]), /unheardOf/);
  });
});
