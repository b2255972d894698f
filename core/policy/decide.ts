import { appRefusal } from './app-refusal.ts';
import { requestMiss, stepUpMiss, viewRequest } from './conditions.ts';
import { describe } from './describe.ts';
import type { AppContext, RequestFacts, SessionFacts } from './facts.ts';
import { type Grant, type GrantReason, isNearer } from './grant.ts';
import { type NearMiss, outlookOf } from './outlook.ts';
import type { Policy, Resource, Rule } from './policy.ts';
import { resolveResource } from './resolve-resource.ts';

/**
 * Whether this session, from this app, may do this now. Pure: the same arguments give the same grant, and
 * so does any `now` from this one until `validUntil`. Nothing is allowed unless a rule allows it, and no
 * rule allows what another denies.
 *
 * `resource` is what `resolveResource` gave for this request under this same policy; one of another
 * policy is refused as NO_RESOURCE, like undefined. `now` is in Unix milliseconds.
 */
export function decide(
  session: SessionFacts,
  app: AppContext | undefined,
  resource: Resource | undefined,
  request: RequestFacts,
  policy: Policy,
  now: number,
): Grant {
  const conclude = (reason: GrantReason, until: number, rule?: Rule, endsSession = false): Grant =>
    Object.freeze({
      allow: reason === 'ALLOWED',
      reason,
      rule: rule?.name,
      resource: resource?.name,
      explain: describe(reason, { rule, resource, session, app, request }),
      policyVersion: policy.version,
      endsSession,
      validUntil: until,
    });
  // Written so that a time or an expiry that is no number denies.
  if (!(now < session.expiresAt)) return conclude('SESSION_EXPIRED', Number.MAX_SAFE_INTEGER);
  let until = session.expiresAt;
  const refusal = appRefusal(policy, app);
  if (refusal) return conclude(refusal, until, undefined, true);
  if (!resource || policy.byName.get(resource.name) !== resource) return conclude('NO_RESOURCE', until);
  if (resource.methods && !resource.methods.has(request.method)) return conclude('METHOD', until);

  const outlook = outlookOf(policy, session, app, resource);
  const view = viewRequest(request);
  const missOf = (rule: Rule): GrantReason | undefined => {
    const miss = requestMiss(rule, view);
    if (miss) return miss;
    if (rule.times) {
      const state = rule.times(now);
      // From its edge on this rule may match or not match, so whatever is decided holds only until then.
      until = Math.min(until, state.until);
      if (!state.inside) return 'TIME';
    }
    return stepUpMiss(rule, session);
  };
  const allowBy = (rule: Rule): Grant => {
    const last = outlook.lastAllowed;
    if (last?.rule === rule.name && last.validUntil === until) return last;
    const grant = conclude('ALLOWED', until, rule);
    outlook.lastAllowed = grant;
    return grant;
  };

  for (const rule of outlook.deny) if (!missOf(rule)) return conclude('DENIED_BY_RULE', until, rule);
  let nearest: NearMiss | undefined = outlook.nearest;
  for (const rule of outlook.allow) {
    const miss = missOf(rule);
    if (!miss) return allowBy(rule);
    if (!nearest || isNearer(miss, nearest.reason)) nearest = { rule, reason: miss };
  }
  return conclude(nearest?.reason ?? 'NO_RULE', until, nearest?.rule);
}

/** Finds the resource and decides with the session's own app. Throws REQUEST_INVALID. */
export function decideRequest(
  session: SessionFacts,
  request: RequestFacts,
  policy: Policy,
  now: number,
): Grant {
  return decide(session, session.app, resolveResource(policy, request), request, policy, now);
}
