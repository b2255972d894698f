import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { SallyportError } from '#core/errors/error.ts';
import { checkPolicy, parsePolicy } from './parse.ts';

const rule = { name: 'staff', groups: ['staff'] };
const resource = { name: 'intranet', backend: 'intranet', hosts: ['intranet.example'], rules: [rule] };

/** The issues of a policy whose one rule has these fields besides its name and groups. */
function issuesOfRule(fields: object) {
  return checkPolicy({ resources: [{ ...resource, rules: [{ ...rule, ...fields }] }] }).issues.map(
    ({ path, problem, hint }) => [path.replace('resources[0].rules[0].', ''), problem, hint],
  );
}

describe('parsing a policy', () => {
  it('fills in what is usual', () => {
    const [parsed] = parsePolicy({ resources: [resource] }).resources;
    assert.equal(parsed?.pathPrefix, '/');
    assert.equal(parsed?.methods, '*');
    assert.equal(parsed?.sendPassword, false);
    assert.equal(parsed?.rules[0]?.effect, 'allow');
  });

  it('gives a document that parses to itself', () => {
    const full = {
      ...rule,
      users: ['ada'],
      apps: [
        {
          id: 'com.example.field',
          minVersion: 1,
          blockedVersions: ['1.3'],
          certDigests: [`${'AB:'.repeat(31)}CD`],
        },
      ],
      platforms: ['ios'],
      minOsVersion: { ios: 17, android: '14' },
      posture: {
        encrypted: true,
        patch: { min: 20250101 },
        lock: { oneOf: ['pin', 'face'] },
        agent: { min: '1.10' },
      },
      minAuthLevel: 2,
      networks: ['10.0.0.0/8'],
      times: { days: ['mon-wed', 'sat'], from: '08:00', to: '18:00', tz: 'Europe/Zurich' },
    };
    const document = {
      ignorePathCase: true,
      resources: [
        { ...resource, hosts: ['Intranet.Example:443', '*.x'], pathPrefix: '/caf\u00e9/', rules: [full] },
      ],
    };
    const once = parsePolicy(document);
    assert.deepEqual(parsePolicy(JSON.parse(JSON.stringify(once))), once);
    assert.deepEqual(once.resources[0]?.hosts, ['intranet.example', '*.x']);
    assert.equal(once.resources[0]?.pathPrefix, '/caf%C3%A9');
    assert.deepEqual(once.resources[0]?.rules[0]?.times?.[0]?.days, ['mon', 'tue', 'wed', 'sat']);
    assert.equal(once.resources[0]?.rules[0]?.apps?.[0]?.minVersion, '1');
  });

  it('names an unknown field, its place and what was probably meant', () => {
    const misspelt = { ...resource, rules: [{ ...rule, grups: ['x'] }], backends: 'x', maxBodyBytes: 1 };
    assert.deepEqual(checkPolicy({ resources: [misspelt] }).issues, [
      { path: 'resources[0].rules[0].grups', problem: 'is not a field', hint: 'did you mean groups?' },
      { path: 'resources[0].backends', problem: 'is not a field', hint: 'did you mean backend?' },
      {
        path: 'resources[0].maxBodyBytes',
        problem: 'is not a field',
        hint: 'maxBodyBytes belongs elsewhere in a policy: check the indentation',
      },
    ]);
    assert.throws(
      () => parsePolicy({ resources: [misspelt] }),
      (thrown: unknown) =>
        thrown instanceof SallyportError &&
        thrown.reason === 'POLICY_INVALID' &&
        thrown.message.includes('resources[0].rules[0].grups is not a field') &&
        thrown.hint === 'did you mean groups?',
    );
  });

  it('refuses a version that YAML has read as a number with a fraction', () => {
    const [issue] = issuesOfRule({ apps: [{ id: 'a', minVersion: 1.1 }] });
    assert.equal(issue?.[0], 'apps[0].minVersion');
    assert.match(issue?.[2] ?? '', /quotes/);
  });

  const wrong: Record<string, [object, string]> = {
    'a time that is none': [{ times: { from: '8:00' } }, 'times.from'],
    'a time past midnight': [{ times: [{ to: '24:01' }] }, 'times[0].to'],
    'a window of no length': [{ times: { from: '08:00', to: '08:00' } }, 'times[0].to'],
    'a zone that is none': [{ times: { tz: 'Mars' } }, 'times.tz'],
    'a day that is none': [{ times: { days: ['mon', 'fryday'] } }, 'times.days'],
    'a network that is none': [{ networks: ['10.0.0.0/40'] }, 'networks[0]'],
    'a digest that is none': [{ apps: [{ id: 'a', certDigests: ['abc'] }] }, 'apps[0].certDigests[0]'],
    'bounds the wrong way round': [
      { apps: [{ id: 'a', minVersion: '2', maxVersion: '1.9' }] },
      'apps[0].maxVersion',
    ],
    'an allow rule for nobody in particular': [{ groups: undefined }, 'groups'],
    'an empty list of groups': [{ groups: [] }, 'groups'],
    'blocked versions in a deny rule': [
      { effect: 'deny', apps: [{ id: 'a', blockedVersions: ['1'] }] },
      'apps[0].blockedVersions',
    ],
    'a level in a deny rule': [{ effect: 'deny', minAuthLevel: 1 }, 'minAuthLevel'],
    'an unknown effect': [{ effect: 'permit' }, 'effect'],
    'a misspelt claim test': [{ posture: { patch: { mn: 1 } } }, 'posture.patch.mn'],
    'a method in lower case': [{ methods: ['get'] }, 'methods[0]'],
  };
  for (const [what, [fields, path]] of Object.entries(wrong)) {
    it(`refuses ${what}`, () =>
      assert.deepEqual(
        issuesOfRule(fields).map(([where]) => where),
        [path],
      ));
  }

  it('refuses resources that contradict each other', () => {
    const problems = (...resources: object[]) => checkPolicy({ resources }).issues.map(({ path }) => path);
    assert.deepEqual(problems(resource, { ...resource, pathPrefix: '/x' }), ['resources[1].name']);
    assert.deepEqual(problems(resource, { ...resource, name: 'b' }), ['resources[1]']);
    assert.deepEqual(problems({ ...resource, hosts: [] }, { ...resource, hosts: [], name: 'b' }), [
      'resources[1]',
    ]);
    assert.deepEqual(problems(resource, { ...resource, name: 'b', hosts: ['intranet'] }), [
      'resources[1].hosts[0]',
    ]);
    assert.deepEqual(problems({ ...resource, rules: [rule, rule] }), ['resources[0].rules[1].name']);
  });

  it('never throws on what is no policy at all', () => {
    for (const input of [undefined, null, 1, 'x', [], {}, { resources: {} }, { resources: [null] }])
      assert.ok(checkPolicy(input).issues.length > 0);
  });
});
