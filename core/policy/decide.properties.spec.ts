import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { compilePolicy } from './compile.ts';
import { decideRequest } from './decide.ts';
import type { PolicyDocument, RuleDocument } from './document.ts';
import { explain } from './explain.ts';
import { type AppContext, freezeSession, type RequestFacts, type SessionFacts } from './facts.ts';
import { parsePolicy } from './parse.ts';
import { weekDays } from './time-window.ts';

const monday = Date.UTC(2026, 0, 5);
const hour = 3_600_000;
const versions: readonly string[] = ['1', '1.2', '1.10', '2'];
const few = <T>(...values: T[]) => fc.subarray(values, { minLength: 1 });
const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined, freq: 2 });

const appEntry = fc.record({
  id: fc.constantFrom('a', 'b'),
  minVersion: maybe(fc.constantFrom('1', '1.2')),
  maxVersion: maybe(fc.constantFrom('1.10', '2')),
});
const window = fc
  .record({ days: few(...weekDays), from: fc.nat(23), to: fc.integer({ min: 1, max: 24 }) })
  .filter(({ from, to }) => from !== to)
  .map(({ days, from, to }) => ({ days, from: clock(from), to: clock(to) }));
const rule = fc.record({
  effect: fc.constantFrom('allow', 'allow', 'deny'),
  groups: few('g1', 'g2', 'g3', '*'),
  users: maybe(few('u1', 'u2')),
  apps: maybe(fc.array(appEntry, { minLength: 1, maxLength: 3 })),
  platforms: maybe(few('ios', 'android')),
  posture: maybe(fc.constantFrom({ rooted: false }, { patch: { min: 5 } })),
  methods: maybe(few('GET', 'POST')),
  networks: maybe(few('10.0.0.0/8', '192.168.0.0/16')),
  sites: maybe(few('s1', 's2')),
  times: maybe(fc.array(window, { minLength: 1, maxLength: 2 })),
});
const document = fc.array(fc.array(rule, { maxLength: 6 }), { minLength: 1, maxLength: 2 }).map((resources) =>
  parsePolicy({
    resources: resources.map((rules, index) => ({
      name: `r${index}`,
      backend: 'b',
      hosts: ['h'],
      pathPrefix: index === 0 ? '/' : '/x',
      rules: rules.map((one, at) => ({ name: `rule ${at}`, ...one })),
    })),
  }),
);
const app: fc.Arbitrary<AppContext> = fc.record({
  platform: fc.constantFrom('ios', 'android'),
  appId: fc.constantFrom('a', 'b', 'c'),
  version: fc.constantFrom(...versions),
  certDigest: fc.constant(''),
  osVersion: fc.constant('17'),
  posture: fc.record({ rooted: fc.boolean(), patch: fc.integer({ min: 3, max: 7 }) }, { requiredKeys: [] }),
});
const session: fc.Arbitrary<SessionFacts> = fc.record({
  user: fc.constantFrom('u1', 'u2', 'u3'),
  groups: fc.subarray(['g1', 'g2', 'g3']),
  deviceId: fc.constant('d'),
  expiresAt: fc.integer({ min: monday, max: monday + 14 * 24 * hour }),
  authLevel: fc.constant(1),
  app: maybe(app),
});
const request: fc.Arbitrary<RequestFacts> = fc.record({
  method: fc.constantFrom('GET', 'POST', 'PUT'),
  authority: fc.constant('h'),
  path: fc.constantFrom('/', '/x', '/x/y', '/xy'),
  clientAddress: maybe(fc.constantFrom('10.1.1.1', '192.168.1.1', '8.8.8.8')),
  site: maybe(fc.constantFrom('s1', 's2', 's3')),
});
const moment = fc.integer({ min: monday, max: monday + 7 * 24 * hour });

function clock(at: number): string {
  return `${at < 10 ? '0' : ''}${at}:00`;
}

/** The rules as their documentation reads, without any index: the rule that allows, or undefined. */
function naive(
  policy: PolicyDocument,
  facts: SessionFacts,
  asked: RequestFacts,
  now: number,
): string | undefined {
  if (now >= facts.expiresAt) return undefined;
  const inX = asked.path === '/x' || asked.path.startsWith('/x/');
  const resource =
    policy.resources.find(({ pathPrefix }) => pathPrefix === '/x' && inX) ?? policy.resources[0];
  const rules = resource?.rules ?? [];
  const matching = rules.filter((one) => matches(one, facts, asked, now));
  if (matching.some(({ effect }) => effect === 'deny')) return undefined;
  return matching[0]?.name;
}

function matches(
  one: RuleDocument,
  { user, groups, app: from }: SessionFacts,
  asked: RequestFacts,
  now: number,
): boolean {
  const unknown = one.effect === 'deny';
  const rank = (version: string) => versions.indexOf(version);
  const claims = Object.entries(one.posture ?? {}).every(([name, wanted]) => {
    const value = from?.posture[name];
    if (value === undefined) return unknown;
    return typeof wanted === 'object' ? Number(value) >= 5 : value === wanted;
  });
  const open = (one.times ?? []).some(({ days, from: start, to }) => {
    const date = new Date(now);
    const time = clock(date.getUTCHours());
    const on = (day: number) => days.some((name) => name === weekDays[(day + 7) % 7]);
    if (start < to) return on(date.getUTCDay()) && time >= start && time < to;
    return time >= start ? on(date.getUTCDay()) : time < to && on(date.getUTCDay() - 1);
  });
  return (
    (one.groups?.some((group) => group === '*' || groups.includes(group)) ||
      one.users?.includes(user) === true) &&
    (!one.platforms || (from !== undefined && one.platforms.includes(from.platform))) &&
    (!one.apps ||
      one.apps.some(
        ({ id, minVersion = '1', maxVersion = '2' }) =>
          from?.appId === id &&
          rank(from.version) >= rank(minVersion) &&
          rank(from.version) <= rank(maxVersion),
      )) &&
    claims &&
    (!one.methods || one.methods.includes(asked.method)) &&
    (!one.networks ||
      (asked.clientAddress === undefined
        ? unknown
        : one.networks.some((text) => asked.clientAddress?.startsWith(text.slice(0, text.indexOf('.')))))) &&
    (!one.sites || (asked.site === undefined ? unknown : one.sites.includes(asked.site))) &&
    (!one.times || open)
  );
}

describe('decisions, whatever policy, session and request', () => {
  it('equal a naive interpreter of the document, frozen session or not', () => {
    fc.assert(
      fc.property(document, session, request, moment, (policy, facts, asked, now) => {
        const expected = naive(policy, facts, asked, now);
        const compiled = compilePolicy(policy, 1);
        const frozen = freezeSession(facts);
        const grant = decideRequest(facts, asked, compiled, now);
        assert.equal(grant.allow ? grant.rule : undefined, expected);
        assert.deepEqual(decideRequest(frozen, asked, compiled, now), grant);
        assert.deepEqual(decideRequest(frozen, asked, compiled, now), grant);
        assert.equal(grant.allow, grant.reason === 'ALLOWED');
      }),
      { numRuns: 1500 },
    );
  });

  it('are the same whatever was asked in between, and at any time before validUntil', () => {
    const part = fc.double({ min: 0, max: 1, noNaN: true });
    fc.assert(
      fc.property(document, session, request, moment, part, (policy, facts, asked, now, fraction) => {
        const compiled = compilePolicy(policy, 1);
        const frozen = freezeSession(facts);
        const grant = decideRequest(frozen, asked, compiled, now);
        assert.ok(grant.validUntil > now);
        const end = Math.min(grant.validUntil, monday + 30 * 24 * hour);
        for (const at of [Math.floor(now + fraction * (end - 1 - now)), end - 1]) {
          const later = decideRequest(frozen, asked, compiled, at);
          assert.deepEqual([later.allow, later.reason, later.rule], [grant.allow, grant.reason, grant.rule]);
        }
        decideRequest(frozen, asked, compiled, now + 9 * 24 * hour);
        assert.deepEqual(decideRequest(frozen, asked, compiled, now), grant);
      }),
      { numRuns: 500 },
    );
  });

  it('let no allow rule undo a deny, and are what the explanation says', () => {
    fc.assert(
      fc.property(document, session, request, moment, rule, (policy, facts, asked, now, more) => {
        const { grant, rules } = explain(facts, asked, compilePolicy(policy, 1), now);
        const denies = rules.some(({ effect, matches: met }) => effect === 'deny' && met);
        if (denies) assert.equal(grant.allow, false);
        if (grant.allow) assert.ok(rules.some(({ rule: name, matches: met }) => met && name === grant.rule));
        if (grant.reason !== 'DENIED_BY_RULE') return;
        const generous = policy.resources.map((resource) => ({
          ...resource,
          rules: [{ ...more, name: 'more', effect: 'allow', groups: ['*'] }, ...resource.rules],
        }));
        const wider = compilePolicy(parsePolicy({ ...policy, resources: generous }), 2);
        assert.equal(decideRequest(facts, asked, wider, now).reason, 'DENIED_BY_RULE');
      }),
      { numRuns: 500 },
    );
  });
});
