/** Decides by a compiled policy of many rules, as proxies and security pods do, and tells what it costs. */

import { loadPolicy } from '#core/policy/compile.ts';
import { decideRequest } from '#core/policy/decide.ts';
import { freezeSession, type RequestFacts, type SessionFacts } from '#core/policy/facts.ts';
import { serveBench } from '../harness/child.ts';

export interface PolicyLoad {
  /** How the rules lie and who asks; see docs/BENCH.md. */
  readonly shape: 'known' | 'new' | 'spread' | 'everybody';
  /** Milliseconds of CPU to use. */
  readonly sliceMs: number;
}

const rules = 10_000;
const groups = 500;
const users = 2000;
const now = Date.UTC(2026, 10, 27, 10);

/** Each rule is for a group of 500, and asks for app, version, posture, method, network and time. */
function rule(n: number, forAll = false) {
  const deny = n % 10 === 0;
  return {
    name: `rule ${n}`,
    effect: deny ? 'deny' : 'allow',
    groups: forAll ? ['*'] : [`group-${n % groups}`],
    apps: [
      { id: 'com.example.field', minVersion: `1.${n % 7}`, ...(!deny && { blockedVersions: ['1.2.3'] }) },
    ],
    posture: { rooted: deny },
    // A request that is allowed at all is allowed by the last rules only.
    methods: deny ? ['DELETE'] : n % 50 === 49 ? ['PUT', 'GET'] : ['PUT', 'PATCH'],
    networks: ['10.0.0.0/8', '192.168.0.0/16'],
    times: [{ days: ['mon', 'tue', 'wed', 'thu', 'fri'], from: '06:00', to: '22:00', tz: 'Europe/Berlin' }],
  };
}

const resource = (name: string, list: readonly unknown[]) => ({
  ...{ name, backend: 'intranet', hosts: [`${name}.example`], rules: list },
});

const policies = {
  one: loadPolicy(
    {
      resources: [
        resource(
          'pages',
          Array.from({ length: rules }, (_, n) => rule(n)),
        ),
      ],
    },
    1,
  ),
  spread: loadPolicy(
    {
      resources: Array.from({ length: 200 }, (_, r) =>
        resource(
          `pages-${r}`,
          Array.from({ length: rules / 200 }, (_, n) => rule(n)),
        ),
      ),
    },
    1,
  ),
  everybody: loadPolicy(
    {
      resources: [
        resource(
          'pages',
          Array.from({ length: rules }, (_, n) => rule(n, true)),
        ),
      ],
    },
    1,
  ),
};

const session = (n: number): SessionFacts =>
  freezeSession({
    user: `user-${n}@example.com`,
    groups: [`group-${n % groups}`, `group-${(n * 7 + 1) % groups}`, `group-${(n * 13 + 2) % groups}`],
    deviceId: `device-${n}`,
    expiresAt: now + 3_600_000,
    authLevel: 1,
    app: {
      ...{ platform: 'android', appId: 'com.example.field', version: '1.8.0', certDigest: '' },
      ...{ osVersion: '15', posture: { rooted: false } },
    },
  });

const request = (authority: string): RequestFacts => ({
  ...{ method: 'GET', authority, path: '/orders/2026?draft=1', clientAddress: '10.1.2.3' },
});

serveBench(async () => {
  const known = Array.from({ length: users }, (_, n) => session(n));
  const authorities = Array.from({ length: 200 }, (_, r) => request(`pages-${r}.example`));
  const pages = request('pages.example');
  let made = 0;
  const decisions: Record<PolicyLoad['shape'], (n: number) => boolean> = {
    known: (n) => decideRequest(of(known, n), pages, policies.one, now).allow,
    // Never seen before, as after a login or a change of groups: its outlook is worked out.
    new: () => decideRequest(session(made++), pages, policies.one, now).allow,
    spread: (n) => decideRequest(of(known, n), of(authorities, n * 31), policies.spread, now).allow,
    everybody: (n) => decideRequest(of(known, n), pages, policies.everybody, now).allow,
  };
  return async ({ shape, sliceMs }: PolicyLoad): Promise<{ microseconds: number; allowed: number }> => {
    const decide = decisions[shape];
    let [done, allowed] = [0, 0];
    const before = process.cpuUsage();
    let used = 0;
    do {
      for (let n = 0; n < 100; n++) if (decide(done++)) allowed++;
      const { user, system } = process.cpuUsage(before);
      used = user + system;
    } while (used < sliceMs * 1000);
    return { microseconds: used / done, allowed: allowed / done };
  };
});

/** Round and round. */
function of<T>(list: readonly T[], n: number): T {
  const item = list[n % list.length];
  if (item === undefined) throw new RangeError('an empty list');
  return item;
}
