import { compileClaim } from './claims.ts';
import type { AppDocument, PolicyDocument, ResourceDocument, RuleDocument } from './document.ts';
import { indexHosts } from './host-index.ts';
import { parseNetwork } from './network.ts';
import { parsePolicy } from './parse.ts';
import type { AppRange, PlatformVersions, Policy, Resource, Rule, RuleIndex } from './policy.ts';
import { compileTimes, type TimeCondition } from './time-window.ts';
import { parseVersion, type Version } from './version-compare.ts';

/** Reads and compiles in one go. Throws POLICY_INVALID. */
export function loadPolicy(input: unknown, version: number): Policy {
  return compilePolicy(parsePolicy(input), version);
}

/** A document that `parsePolicy` has passed, as an immutable value to decide by. */
export function compilePolicy(document: PolicyDocument, version: number): Policy {
  const shareTimes = new Map<string, TimeCondition>();
  const resources = Object.freeze(document.resources.map((one) => compileResource(one, shareTimes)));
  return Object.freeze({
    version,
    ignorePathCase: document.ignorePathCase,
    resources,
    byName: new Map(resources.map((resource) => [resource.name, resource])),
    hosts: indexHosts(resources, document.ignorePathCase),
    requirements: compileRequirements(document.apps ?? []),
    refusals: new WeakMap(),
    outlooks: new WeakMap(),
    apps: new Map(),
  });
}

/** Each as an allow rule for that app. */
function compileRequirements(
  documents: NonNullable<PolicyDocument['apps']>,
): ReadonlyMap<string, readonly Rule[]> {
  const byId = new Map<string, Rule[]>();
  for (const [index, { platforms, minOsVersion, maxOsVersion, posture, ...app }] of documents.entries()) {
    const rule = {
      ...{ name: app.id, effect: 'allow' as const, apps: [app] },
      ...{ platforms, minOsVersion, maxOsVersion, posture },
    };
    append(byId, app.id, compileRule(rule, index, new Map()));
  }
  return byId;
}

function compileResource(document: ResourceDocument, shareTimes: Map<string, TimeCondition>): Resource {
  return Object.freeze({
    name: document.name,
    backend: document.backend,
    hosts: Object.freeze([...document.hosts]),
    pathPrefix: document.pathPrefix,
    methods: document.methods === '*' ? undefined : new Set(document.methods),
    gatewayGroup: document.gatewayGroup,
    site: document.site,
    audience: document.assertion?.audience ?? document.name,
    sendPassword: document.sendPassword,
    maxBodyBytes: document.limits?.maxBodyBytes,
    rules: indexRules(document.rules, shareTimes),
  });
}

function indexRules(documents: readonly RuleDocument[], shareTimes: Map<string, TimeCondition>): RuleIndex {
  const all: Rule[] = [];
  const everybody: Rule[] = [];
  const byGroup = new Map<string, Rule[]>();
  const byUser = new Map<string, Rule[]>();
  for (const [index, document] of documents.entries()) {
    const rule = compileRule(document, index, shareTimes);
    const { groups = [], users = [] } = document;
    all.push(rule);
    if (groups.length + users.length === 0 || groups.includes('*') || users.includes('*')) {
      everybody.push(rule);
      continue;
    }
    for (const group of new Set(groups)) append(byGroup, group, rule);
    for (const user of new Set(users)) append(byUser, user, rule);
  }
  return Object.freeze({ all: Object.freeze(all), everybody: Object.freeze(everybody), byGroup, byUser });
}

function append<V>(map: Map<string, V[]>, key: string, value: V): void {
  const list = map.get(key);
  if (list) list.push(value);
  else map.set(key, [value]);
}

function compileRule(document: RuleDocument, index: number, shareTimes: Map<string, TimeCondition>): Rule {
  return Object.freeze({
    index,
    name: document.name,
    deny: document.effect === 'deny',
    apps: document.apps && compileApps(document.apps),
    platforms: document.platforms && new Set(document.platforms),
    minOs: platformVersions(document.minOsVersion),
    maxOs: platformVersions(document.maxOsVersion),
    posture: Object.freeze(
      Object.entries(document.posture ?? {}).map(([name, claim]) =>
        Object.freeze({ name, test: compileClaim(claim) }),
      ),
    ),
    minAuthLevel: document.minAuthLevel ?? 0,
    methods: document.methods && new Set(document.methods),
    networks:
      document.networks && Object.freeze(document.networks.flatMap((text) => parseNetwork(text) ?? [])),
    sites: document.sites && new Set(document.sites),
    times: document.times && sharedTimes(document.times, shareTimes),
  });
}

/** Most rules share a few office hours, whose clocks need be read only once then. */
function sharedTimes(windows: NonNullable<RuleDocument['times']>, shared: Map<string, TimeCondition>) {
  const key = JSON.stringify(windows.map(({ days, from, to, tz }) => [days, from, to, tz]));
  const known = shared.get(key) ?? compileTimes(windows);
  shared.set(key, known);
  return known;
}

function compileApps(apps: readonly AppDocument[]): ReadonlyMap<string, readonly AppRange[]> {
  const byId = new Map<string, AppRange[]>();
  for (const app of apps) {
    append(
      byId,
      app.id,
      Object.freeze({
        min: readVersion(app.minVersion),
        max: readVersion(app.maxVersion),
        blocked: Object.freeze((app.blockedVersions ?? []).flatMap((text) => parseVersion(text) ?? [])),
        certDigests: app.certDigests && new Set(app.certDigests),
      }),
    );
  }
  return byId;
}

function readVersion(text: string | undefined): Version | undefined {
  return text === undefined ? undefined : parseVersion(text);
}

function platformVersions(versions: RuleDocument['minOsVersion']): PlatformVersions | undefined {
  if (versions === undefined) return undefined;
  if (typeof versions === 'string') return { every: readVersion(versions), byPlatform: new Map() };
  const byPlatform = new Map<string, Version>();
  for (const [platform, text] of Object.entries(versions)) {
    const version = parseVersion(text);
    if (version) byPlatform.set(platform, version);
  }
  return { every: undefined, byPlatform };
}
