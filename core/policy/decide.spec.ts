import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { loadPolicy } from './compile.ts';
import { decide, decideRequest } from './decide.ts';
import { explain } from './explain.ts';
import { type AppContext, freezeSession, type RequestFacts, type SessionFacts } from './facts.ts';
import { resolveResource } from './resolve-resource.ts';

const now = Date.UTC(2026, 0, 7, 12); // a Wednesday
const digest = 'ab'.repeat(32);
const app: AppContext = {
  platform: 'ios',
  appId: 'com.example.field',
  version: '1.2.0',
  certDigest: digest,
  osVersion: '17.4',
  posture: { encrypted: 'true', patch: 20260101, lock: 'face' },
};
const session: SessionFacts = {
  user: 'ada',
  groups: ['staff', 'zurich'],
  deviceId: 'd1',
  expiresAt: now + 3_600_000,
  authLevel: 1,
  app,
};
const request: RequestFacts = {
  method: 'GET',
  authority: 'h',
  path: '/',
  clientAddress: '10.1.2.3',
  site: 'zurich',
};
const staff = { name: 'staff', groups: ['staff'] };

interface Case {
  rules: object[];
  session?: Partial<SessionFacts>;
  app?: Partial<AppContext>;
  request?: Partial<RequestFacts>;
  resource?: object;
}
function grantOf(given: Case) {
  const policy = loadPolicy(
    { resources: [{ name: 'r', backend: 'b', hosts: ['h'], rules: given.rules, ...given.resource }] },
    7,
  );
  const facts = { ...session, app: { ...app, ...given.app }, ...given.session };
  return decideRequest(facts, { ...request, ...given.request }, policy, now);
}
const outcome = (given: Case) => {
  const { allow, reason, rule } = grantOf(given);
  return allow ? `${reason} ${rule}` : `${reason}${rule ? ` ${rule}` : ''}`;
};

describe('decisions', () => {
  it('deny by default', () => {
    assert.equal(outcome({ rules: [] }), 'NO_RULE');
    assert.equal(outcome({ rules: [{ ...staff, groups: ['others'] }] }), 'NO_RULE');
    assert.equal(outcome({ rules: [staff], request: { authority: 'x' } }), 'NO_RESOURCE');
    assert.equal(outcome({ rules: [staff], resource: { methods: ['POST'] } }), 'METHOD');
  });

  it('allow by group, by user, and everybody', () => {
    assert.equal(outcome({ rules: [staff] }), 'ALLOWED staff');
    assert.equal(outcome({ rules: [{ name: 'u', users: ['ada'] }] }), 'ALLOWED u');
    assert.equal(outcome({ rules: [{ name: 'u', users: ['bob'], groups: ['zurich'] }] }), 'ALLOWED u');
    assert.equal(outcome({ rules: [{ name: '*', groups: ['*'] }], session: { groups: [] } }), 'ALLOWED *');
  });

  it('end with the session', () => {
    assert.equal(outcome({ rules: [staff], session: { expiresAt: now } }), 'SESSION_EXPIRED');
    assert.equal(outcome({ rules: [staff], session: { expiresAt: Number.NaN } }), 'SESSION_EXPIRED');
    assert.equal(grantOf({ rules: [staff] }).validUntil, session.expiresAt);
  });

  it('let deny win wherever it stands', () => {
    const deny = { name: 'not ada', effect: 'deny', users: ['ada'] };
    assert.equal(outcome({ rules: [staff, deny] }), 'DENIED_BY_RULE not ada');
    assert.equal(outcome({ rules: [deny, staff] }), 'DENIED_BY_RULE not ada');
    assert.equal(outcome({ rules: [staff, { name: 'lock', effect: 'deny' }] }), 'DENIED_BY_RULE lock');
  });

  const field = { id: app.appId };
  const table: [string, object, string][] = [
    ['the platform', { platforms: ['android'] }, 'PLATFORM'],
    ['another app', { apps: [{ id: 'other' }] }, 'APP_NOT_ALLOWED'],
    ['another certificate', { apps: [{ ...field, certDigests: ['cd'.repeat(32)] }] }, 'APP_CERTIFICATE'],
    ['an old app', { apps: [{ ...field, minVersion: '1.10' }] }, 'APP_TOO_OLD'],
    ['a new app', { apps: [{ ...field, maxVersion: '1.1' }] }, 'APP_TOO_NEW'],
    ['a blocked version', { apps: [{ ...field, blockedVersions: ['1.2'] }] }, 'APP_BLOCKED'],
    ['an old system', { minOsVersion: '17.5' }, 'OS_TOO_OLD'],
    ['an old system of this platform', { minOsVersion: { ios: '18', android: '1' } }, 'OS_TOO_OLD'],
    ['a platform without a bound', { minOsVersion: { android: '1' } }, 'PLATFORM'],
    ['a new system', { maxOsVersion: '17.3' }, 'OS_TOO_NEW'],
    ['a claim', { posture: { encrypted: false } }, 'POSTURE'],
    ['a claim that is too low', { posture: { patch: { min: 20260102 } } }, 'POSTURE'],
    ['a claim of other values', { posture: { lock: { oneOf: ['pin'] } } }, 'POSTURE'],
    ['a claim that is not made', { posture: { rooted: false } }, 'POSTURE'],
    ['a name that every object has', { posture: { toString: 'x' } }, 'POSTURE'],
    ['the method', { methods: ['POST'] }, 'METHOD'],
    ['the network', { networks: ['192.168.0.0/16', '2001:db8::/32'] }, 'NETWORK'],
    ['the site', { sites: ['geneva'] }, 'SITE'],
    ['the time', { times: { from: '13:00', to: '14:00' } }, 'TIME'],
    ['the day', { times: { days: 'thu-tue' } }, 'TIME'],
    ['the level', { minAuthLevel: 2 }, 'STEP_UP'],
  ];
  for (const [what, condition, reason] of table) {
    it(`deny for ${what}`, () =>
      assert.equal(outcome({ rules: [{ ...staff, ...condition }] }), `${reason} staff`));
  }

  it('allow when all conditions hold', () => {
    const all = {
      ...staff,
      platforms: ['ios'],
      apps: [
        { ...field, minVersion: '2' },
        { ...field, minVersion: '1.2', maxVersion: '1.2', certDigests: [digest] },
      ],
      minOsVersion: { ios: 17 },
      maxOsVersion: '17.99',
      posture: { encrypted: true, patch: { min: 20260101, max: 20260101 }, lock: { oneOf: ['pin', 'face'] } },
      methods: ['GET'],
      networks: ['10.0.0.0/8'],
      sites: ['geneva', 'zurich'],
      times: { days: 'wed', from: '13:00', to: '14:00', tz: 'Europe/Zurich' },
      minAuthLevel: 1,
    };
    const grant = grantOf({ rules: [all] });
    assert.equal(grant.reason, 'ALLOWED');
    assert.equal(grant.validUntil, now + 3_600_000);
    assert.ok(Object.isFrozen(grant));
  });

  it('tell the nearest miss', () => {
    const old = { ...staff, name: 'old', apps: [{ ...field, minVersion: '2' }] };
    const late = { ...staff, name: 'late', times: { from: '20:00' } };
    const other = { ...staff, name: 'other', platforms: ['web'] };
    assert.equal(outcome({ rules: [other, old, late] }), 'TIME late');
    assert.equal(outcome({ rules: [late, old, other] }), 'TIME late');
    assert.equal(outcome({ rules: [other, old] }), 'APP_TOO_OLD old');
    assert.equal(
      outcome({ rules: [old, { ...staff, name: 'level', minAuthLevel: 2 }, late] }),
      'STEP_UP level',
    );
  });

  it('count what is not known against the request', () => {
    const strange = { version: 'nightly', osVersion: '', posture: {} };
    const conditions = [
      { apps: [{ ...field, minVersion: '0' }] },
      { minOsVersion: '0' },
      { posture: { rooted: true } },
    ];
    for (const condition of conditions) {
      const rule = { ...staff, name: 'x', ...condition };
      assert.notEqual(outcome({ rules: [rule], app: strange }), 'ALLOWED x');
      assert.equal(
        outcome({ rules: [staff, { ...rule, effect: 'deny' }], app: strange }),
        'DENIED_BY_RULE x',
      );
    }
    const network = { ...staff, name: 'n', networks: ['0.0.0.0/0', '::/0'] };
    const unseen = { clientAddress: undefined };
    const site = { ...staff, name: 's', sites: ['zurich'] };
    assert.equal(outcome({ rules: [site], request: { site: undefined } }), 'SITE s');
    assert.equal(
      outcome({ rules: [staff, { ...site, effect: 'deny' }], request: { site: undefined } }),
      'DENIED_BY_RULE s',
    );
    assert.equal(outcome({ rules: [network], request: unseen }), 'NETWORK n');
    assert.equal(
      outcome({ rules: [staff, { ...network, effect: 'deny' }], request: unseen }),
      'DENIED_BY_RULE n',
    );
  });

  it('refuse a resource of another policy', () => {
    const document = { resources: [{ name: 'r', backend: 'b', hosts: ['h'], rules: [staff] }] };
    const [before, after] = [loadPolicy(document, 1), loadPolicy(document, 2)];
    assert.equal(
      decide(session, app, resolveResource(before, request), request, after, now).reason,
      'NO_RESOURCE',
    );
  });

  it('remember nothing of a session that can change', () => {
    const policy = loadPolicy({ resources: [{ name: 'r', backend: 'b', hosts: ['h'], rules: [staff] }] }, 1);
    const groups = ['staff'];
    const loose = { ...session, groups };
    assert.equal(decideRequest(loose, request, policy, now).allow, true);
    groups.pop();
    assert.equal(decideRequest(loose, request, policy, now).allow, false);
    const frozen = freezeSession(session);
    assert.equal(
      decideRequest(frozen, request, policy, now),
      decideRequest(frozen, request, policy, now + 1),
    );
  });

  it('are explained rule by rule', () => {
    const rules = [
      { ...staff, name: 'old', apps: [{ ...field, minVersion: '2' }] },
      { name: 'hr', groups: ['hr'] },
      staff,
    ];
    const policy = loadPolicy({ resources: [{ name: 'r', backend: 'b', hosts: ['h'], rules }] }, 1);
    const explanation = explain(session, request, policy, now);
    assert.equal(explanation.grant.explain, 'rule "staff" of r allows it');
    assert.deepEqual(
      explanation.rules.map(({ rule, reason, explain: text }) => [rule, reason, text]),
      [
        ['old', 'APP_TOO_OLD', 'rule "old" of r asks for a later version than com.example.field 1.2.0'],
        ['hr', 'NO_RULE', 'rule "hr" is for other users'],
        ['staff', undefined, 'rule "staff" of r allows it'],
      ],
    );
  });
});
