import { type Miss, sessionMiss, viewApp } from './conditions.ts';
import type { AppContext } from './facts.ts';
import { grantReasons } from './grant.ts';
import type { Policy, Resource, Rule } from './policy.ts';

/** Most app contexts that are remembered for one policy: a byte for each rule that was met, each. */
const maxApps = 256;

/** In a byte: not worked out yet, holds, or 2 + the number of the reason why it does not. */
const unknown = 0;
const holds = 1;

/**
 * What the rules of a resource say of an app, whoever uses it. Of ten thousand sessions that are new after
 * a deployment nearly all come from a few versions of one app, so a rule looks at each of them once.
 */
export function appVerdicts(
  policy: Policy,
  resource: Resource,
  app: AppContext | undefined,
): (rule: Rule) => Miss {
  const known = remembered(policy, resource, app);
  let view: ReturnType<typeof viewApp> | 'unread' = 'unread';
  return (rule) => {
    const verdict = known[rule.index] ?? unknown;
    if (verdict !== unknown) return verdict === holds ? undefined : grantReasons[verdict - 2];
    if (view === 'unread') view = viewApp(app);
    const miss = sessionMiss(rule, view);
    known[rule.index] = miss === undefined ? holds : 2 + grantReasons.indexOf(miss);
    return miss;
  };
}

function remembered({ apps }: Policy, resource: Resource, app: AppContext | undefined): Uint8Array {
  const key = keyOf(app);
  let byResource = apps.get(key);
  if (byResource === undefined) {
    if (apps.size >= maxApps) apps.clear();
    byResource = new Map();
    apps.set(key, byResource);
  }
  let verdicts = byResource.get(resource);
  if (verdicts === undefined) {
    verdicts = new Uint8Array(resource.rules.all.length);
    byResource.set(resource, verdicts);
  }
  return verdicts;
}

/** The same for what is the same to every rule: claims by name and type, in whatever order they were made. */
function keyOf(app: AppContext | undefined): string {
  if (app === undefined) return '';
  const { platform, appId, version, certDigest, osVersion, posture } = app;
  const claims = Object.keys(posture)
    .sort()
    .map((name) => [name, posture[name]]);
  return JSON.stringify([platform, appId, version, certDigest, osVersion, claims]);
}
