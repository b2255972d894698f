import { SallyportError } from '#core/errors/error.ts';
import { decide } from '#core/policy/decide.ts';
import type { RequestFacts, SessionFacts } from '#core/policy/facts.ts';
import { resolveResource } from '#core/policy/resolve-resource.ts';
import type { Grant } from '#gen/sallyport/authorize/v1/proxy_authorize_pb.js';
import type { Feed } from '../feed/feed.ts';
import { counts } from '../metrics.ts';
import type { SessionRecord } from '../session/record.ts';
import type { Assertions } from './assertions.ts';
import { sessionFacts } from './facts.ts';
import type { PolicyStore } from './policy-store.ts';

export interface GrantDeps {
  readonly policies: Pick<PolicyStore, 'current'>;
  readonly assertions: Pick<Assertions, 'of'>;
  readonly feed: Pick<Feed, 'assertFresh' | 'isRevoked'>;
  /** Database time. */
  readonly now: () => number;
}

export type WireGrant = Omit<Grant, '$typeName'>;

/** Decides a request by the current policy and, if it is allowed, signs whom the backend is to see. */
export type MakeGrant = (record: SessionRecord, request: RequestFacts) => Promise<WireGrant>;

export function grants(deps: GrantDeps): MakeGrant {
  const { policies, assertions, feed, now } = deps;
  // Frozen facts of a record: what they may do is remembered with them (core/policy/facts.ts).
  const facts = new WeakMap<SessionRecord, SessionFacts>();
  return async (record, request) => {
    const { policy } = policies.current;
    const session = facts.get(record) ?? sessionFacts(record);
    facts.set(record, session);
    const resource = resolveResource(policy, request);
    const grant = decide(session, session.app, resource, request, policy, now());
    counts.decisions.add(1, { reason: grant.reason });
    const assertion = grant.allow && resource ? await assertions.of(record, resource.audience) : undefined;
    // Signing may have taken long, or the process been stopped: this is the last look before the answer.
    feed.assertFresh();
    if (feed.isRevoked(record)) throw new SallyportError('SESSION_REVOKED');
    return {
      allow: grant.allow,
      reason: grant.reason,
      explanation: grant.explain,
      rule: grant.rule ?? '',
      resource: grant.resource ?? '',
      backend: resource?.backend ?? '',
      assertion: assertion?.jwt ?? '',
      assertionExpiresAtMs: BigInt(assertion?.expiresAtMs ?? 0),
      policyVersion: BigInt(grant.policyVersion),
      validUntilMs: BigInt(grant.validUntil),
    };
  };
}

/**
 * @param fromProxy only a proxy knows, from an edge, where the phone is
 * @throws MALFORMED
 */
export function requestFacts(
  request: (RequestFacts & { readonly clientAddress?: string }) | undefined,
  fromProxy: boolean,
): RequestFacts {
  if (request === undefined) throw new SallyportError('MALFORMED');
  const { method, authority, path, clientAddress } = request;
  return { method, authority, path, ...(fromProxy && clientAddress && { clientAddress }) };
}
