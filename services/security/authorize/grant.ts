import { appRefused } from '#core/errors/app-refused.ts';
import { SallyportError } from '#core/errors/error.ts';
import { decide } from '#core/policy/decide.ts';
import type { RequestFacts, SessionFacts } from '#core/policy/facts.ts';
import type { Grant, GrantReason } from '#core/policy/grant.ts';
import type { Resource } from '#core/policy/policy.ts';
import { resolveResource } from '#core/policy/resolve-resource.ts';
import type { Grant as WireMessage } from '#gen/sallyport/authorize/v1/proxy_authorize_pb.js';
import { counts } from '../metrics.ts';
import type { DecisionSample } from '../policy/decision-sample.ts';
import type { SessionRecord } from '../session/record.ts';
import type { Assertion, Assertions } from './assertions.ts';
import { sessionFacts } from './facts.ts';
import type { PolicyStore } from './policy-store.ts';

export interface GrantDeps {
  readonly policies: Pick<PolicyStore, 'current'>;
  readonly assertions: Pick<Assertions, 'of' | 'known'>;
  /** Keeps some decisions, for dry runs of another policy. */
  readonly sample: Pick<DecisionSample, 'note'> | undefined;
  /** The session's app is none that the policy takes: ends it, soon, for that reason. */
  readonly end: (record: SessionRecord, reason: string) => void;
  /** Database time. */
  readonly now: () => number;
}

export type WireGrant = Omit<WireMessage, '$typeName'>;

/** What was decided about a request, and whom the backend is to see if it is allowed. */
export interface Decided {
  readonly grant: Grant;
  readonly resource: Resource | undefined;
  readonly assertion: Assertion | undefined;
  /** The gateway that serves the session, if the resource is reached through one. */
  readonly gateway?: string | undefined;
}

/**
 * Decides a request by the current policy and, if it is allowed, signs whom the backend is to see. At once unless
 * something is to be signed: then whoever waits for it takes the last look anew.
 * @param nowMs database time, by whoever has read it in this turn of the event loop; else it is read
 * @param leaseMs the lease that goes with it: the assertion lasts longer
 * @throws REQUEST_INVALID, APP_REFUSED
 */
export type MakeGrant = (
  record: SessionRecord,
  request: RequestFacts,
  nowMs?: number,
  leaseMs?: number,
) => Decided | Promise<Decided>;

export function grants(deps: GrantDeps): MakeGrant {
  const { policies, assertions, sample, end, now } = deps;
  // Frozen facts of a record: what they may do is remembered with them (core/policy/facts.ts).
  const facts = new WeakMap<SessionRecord, SessionFacts>();
  return (record, request, nowMs = now(), leaseMs) => {
    const { policy } = policies.current;
    let session = facts.get(record);
    if (session === undefined) {
      session = sessionFacts(record);
      facts.set(record, session);
    }
    const resource = resolveResource(policy, request);
    const grant = decide(session, session.app, resource, request, policy, nowMs);
    counts.decisions.add(1, attributesOf(grant.reason));
    sample?.note(session, request, grant, nowMs);
    if (grant.endsSession) {
      const refused = appRefused(grant);
      end(record, `${refused.reason} ${refused.message}`);
      throw refused;
    }
    if (!grant.allow || resource === undefined) return { grant, resource, assertion: undefined };
    const { audience } = resource;
    const assertion = assertions.known(record, audience, nowMs, leaseMs);
    if (assertion !== undefined) return { grant, resource, assertion };
    return assertions
      .of(record, audience, leaseMs)
      .then((signed) => ({ grant, resource, assertion: signed }));
  };
}

/** One object for each reason: this is counted for every request. */
const attributes = new Map<string, { readonly reason: string }>();
function attributesOf(reason: GrantReason): { readonly reason: string } {
  const known = attributes.get(reason) ?? { reason };
  attributes.set(reason, known);
  return known;
}

export function wireGrant({ grant, resource, assertion, gateway = '' }: Decided): WireGrant {
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
    gatewayGroup: (grant.allow && resource?.gatewayGroup) || '',
    gateway,
  };
}

/**
 * @param proxy only a proxy knows, from an edge, where the phone is; and at which site it stands itself
 * @throws MALFORMED
 */
export function requestFacts(
  request: (RequestFacts & { readonly clientAddress?: string }) | undefined,
  proxy: { readonly site: string | undefined } | undefined,
): RequestFacts {
  if (request === undefined) throw new SallyportError('MALFORMED');
  const { method, authority, path, clientAddress } = request;
  return {
    ...{ method, authority, path },
    ...(proxy && clientAddress && { clientAddress }),
    ...(proxy?.site !== undefined && { site: proxy.site }),
  };
}
