import { appVerdicts } from './app-verdicts.ts';
import { type AppContext, isFrozenThroughout, type SessionFacts } from './facts.ts';
import { type Grant, type GrantReason, isNearer } from './grant.ts';
import type { Policy, Resource, Rule } from './policy.ts';

/**
 * What one session may expect of one resource: the rules that only the request and the time can still
 * decide. It spares each frame the rules of other people and other apps, of which there may be thousands.
 */
export interface Outlook {
  readonly deny: readonly Rule[];
  readonly allow: readonly Rule[];
  /** Of the allow rules that are for this user but not for this app, the one that came nearest. */
  readonly nearest: NearMiss | undefined;
  /** The last grant that allowed, given again while it is the same: most frames get the one before's. */
  lastAllowed: Grant | undefined;
}

export interface NearMiss {
  readonly rule: Rule;
  readonly reason: GrantReason;
}

/** Most resources that are remembered for one session. */
const maxRemembered = 64;

/** Remembered with the session if nothing about it can change, else worked out each time. */
export function outlookOf(
  policy: Policy,
  session: SessionFacts,
  app: AppContext | undefined,
  resource: Resource,
): Outlook {
  let known = policy.outlooks.get(session);
  // Whatever is in there was frozen when it was put in, and stays so.
  const found = known?.app === app ? known?.byResource.get(resource) : undefined;
  if (found) return found;
  const outlook = workOut(policy, session, app, resource);
  if (!isFrozenThroughout(session, app)) return outlook;
  if (!known || known.app !== app) {
    known = { app, byResource: new Map() };
    policy.outlooks.set(session, known);
  }
  if (known.byResource.size >= maxRemembered) known.byResource.clear();
  known.byResource.set(resource, outlook);
  return outlook;
}

function workOut(
  policy: Policy,
  session: SessionFacts,
  app: AppContext | undefined,
  resource: Resource,
): Outlook {
  const missOf = appVerdicts(policy, resource, app);
  const deny: Rule[] = [];
  const allow: Rule[] = [];
  let nearest: NearMiss | undefined;
  for (const rule of rulesFor(session, resource.rules)) {
    const reason = missOf(rule);
    if (!reason) (rule.deny ? deny : allow).push(rule);
    else if (!rule.deny && (!nearest || isNearer(reason, nearest.reason))) nearest = { rule, reason };
  }
  return { deny, allow, nearest, lastAllowed: undefined };
}

/** The rules for this user, in the order of the document, each once. */
export function rulesFor(session: SessionFacts, rules: Resource['rules']): readonly Rule[] {
  let lists = [rules.everybody, rules.byUser.get(session.user) ?? []];
  for (const group of session.groups) lists.push(rules.byGroup.get(group) ?? []);
  // Two and two, so that a rule is moved as often as the number of lists can be halved.
  while (lists.length > 1) {
    const half: (readonly Rule[])[] = [];
    for (let at = 0; at < lists.length; at += 2) half.push(merged(lists[at] ?? [], lists[at + 1] ?? []));
    lists = half;
  }
  return lists[0] ?? [];
}

/** Both lists in order, as each is by itself; a rule that stands in both once. A third of what sorting costs. */
function merged(one: readonly Rule[], other: readonly Rule[]): readonly Rule[] {
  if (other.length === 0) return one;
  if (one.length === 0) return other;
  const all: Rule[] = [];
  let [i, j] = [0, 0];
  let [a, b] = [one[0], other[0]];
  while (a !== undefined && b !== undefined) {
    if (a.index <= b.index) {
      all.push(a);
      if (a === b) b = other[++j];
      a = one[++i];
    } else {
      all.push(b);
      b = other[++j];
    }
  }
  for (; a !== undefined; a = one[++i]) all.push(a);
  for (; b !== undefined; b = other[++j]) all.push(b);
  return all;
}
