import { SallyportError } from '#core/errors/error.ts';
import { decideRequest } from './decide.ts';
import type { RequestFacts, SessionFacts } from './facts.ts';
import type { Grant } from './grant.ts';
import type { Policy } from './policy.ts';

/** A decision that was once asked for. */
export interface RecordedCase {
  readonly session: SessionFacts;
  readonly request: RequestFacts;
  /** Unix milliseconds at which it was asked. */
  readonly at: number;
}

export interface PolicyChange {
  readonly case: RecordedCase;
  readonly before: Grant;
  readonly after: Grant;
}

export interface PolicyDiff {
  /** Cases that were decided twice. */
  readonly compared: number;
  /** Cases whose request is not valid, under any policy. */
  readonly skipped: number;
  /** Denied before, allowed after. At most `limit` of them, the first in the order of the cases. */
  readonly gains: readonly PolicyChange[];
  /** Allowed before, denied after; likewise. */
  readonly losses: readonly PolicyChange[];
  /** Everyone concerned, whatever the limit. */
  readonly byResource: readonly ResourceDiff[];
}

export interface ResourceDiff {
  /** The resource that allows or allowed. */
  readonly resource: string;
  /** Users, sorted, each once. One may gain and lose, with different requests. */
  readonly gain: readonly string[];
  readonly lose: readonly string[];
  /** One of the requests that are decided otherwise. */
  readonly example: RequestFacts;
}

/** What a change of policy would have done to recorded decisions, each at the time it was asked for. */
export function diffPolicies(
  before: Policy,
  after: Policy,
  cases: Iterable<RecordedCase>,
  { limit = 1000 }: { limit?: number } = {},
): PolicyDiff {
  const gains: PolicyChange[] = [];
  const losses: PolicyChange[] = [];
  const users = new Map<string, { gain: Set<string>; lose: Set<string>; example: RequestFacts }>();
  let compared = 0;
  let skipped = 0;
  for (const one of cases) {
    const change = compare(before, after, one);
    if (!change) {
      skipped++;
      continue;
    }
    compared++;
    if (change.before.allow === change.after.allow) continue;
    const gained = change.after.allow;
    const list = gained ? gains : losses;
    if (list.length < limit) list.push(change);
    const resource = (gained ? change.after : change.before).resource ?? '';
    const concerned = users.get(resource) ?? { gain: new Set(), lose: new Set(), example: one.request };
    (gained ? concerned.gain : concerned.lose).add(one.session.user);
    users.set(resource, concerned);
  }
  const byResource = [...users]
    .map(([resource, { gain, lose, example }]) => ({
      resource,
      gain: [...gain].sort(),
      lose: [...lose].sort(),
      example,
    }))
    .sort((a, b) => (a.resource < b.resource ? -1 : 1));
  return { compared, skipped, gains, losses, byResource };
}

/** Undefined when the request is not valid. */
function compare(before: Policy, after: Policy, one: RecordedCase): PolicyChange | undefined {
  try {
    return {
      case: one,
      before: decideRequest(one.session, one.request, before, one.at),
      after: decideRequest(one.session, one.request, after, one.at),
    };
  } catch (thrown) {
    if (thrown instanceof SallyportError && thrown.reason === 'REQUEST_INVALID') return undefined;
    throw thrown;
  }
}

/** In sentences: `41 users would lose payroll`. */
export function summarizeDiff({ byResource }: PolicyDiff): string[] {
  const sentence = (users: readonly string[], verb: string, resource: string) =>
    users.length === 0
      ? []
      : [`${users.length} ${users.length === 1 ? 'user' : 'users'} would ${verb} ${resource}`];
  return byResource.flatMap(({ resource, gain, lose }) => [
    ...sentence(lose, 'lose', resource),
    ...sentence(gain, 'gain', resource),
  ]);
}
