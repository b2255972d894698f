import { requestMiss, sessionMiss, stepUpMiss, viewApp, viewRequest } from './conditions.ts';
import { decide } from './decide.ts';
import { describe } from './describe.ts';
import type { RequestFacts, SessionFacts } from './facts.ts';
import type { Grant, GrantReason } from './grant.ts';
import { rulesFor } from './outlook.ts';
import type { Policy, Rule } from './policy.ts';
import { resolveResource } from './resolve-resource.ts';

export interface Explanation {
  readonly grant: Grant;
  /** Every rule of the resource, in the order of the document. */
  readonly rules: readonly RuleOutcome[];
}

export interface RuleOutcome {
  readonly rule: string;
  readonly effect: 'allow' | 'deny';
  /** Whether it matches this session, request and moment. With a deny rule that means: denied. */
  readonly matches: boolean;
  /** Why it does not match: the first condition that fails. */
  readonly reason: GrantReason | undefined;
  readonly explain: string;
}

/** The decision, and what became of each rule: for administrators, not for the hot path. Throws REQUEST_INVALID. */
export function explain(
  session: SessionFacts,
  request: RequestFacts,
  policy: Policy,
  now: number,
): Explanation {
  const { app } = session;
  const resource = resolveResource(policy, request);
  const grant = decide(session, app, resource, request, policy, now);
  const view = viewApp(app);
  const asked = viewRequest(request);
  const own = new Set(resource ? rulesFor(session, resource.rules) : []);
  const outcome = (rule: Rule): RuleOutcome => {
    const reason = own.has(rule)
      ? (sessionMiss(rule, view) ??
        requestMiss(rule, asked) ??
        (rule.times?.(now).inside === false ? 'TIME' : undefined) ??
        stepUpMiss(rule, session))
      : 'NO_RULE';
    return {
      rule: rule.name,
      effect: rule.deny ? 'deny' : 'allow',
      matches: !reason,
      reason,
      explain:
        reason === 'NO_RULE'
          ? `rule "${rule.name}" is for other users`
          : describe(reason ?? (rule.deny ? 'DENIED_BY_RULE' : 'ALLOWED'), {
              rule,
              resource,
              session,
              app,
              request,
            }),
    };
  };
  return { grant, rules: resource ? resource.rules.all.map(outcome) : [] };
}
