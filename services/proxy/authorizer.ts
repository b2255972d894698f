import { appRefused } from '#core/errors/app-refused.ts';
import { SallyportError } from '#core/errors/error.ts';
import type { ErrorReason } from '#core/errors/registry.ts';
import { decide } from '#core/policy/decide.ts';
import type { RequestFacts } from '#core/policy/facts.ts';
import type { Grant as PolicyGrant } from '#core/policy/grant.ts';
import { requestHost } from '#core/policy/host.ts';
import type { Policy, Resource } from '#core/policy/policy.ts';
import { resolveResource } from '#core/policy/resolve-resource.ts';
import type { Grant } from '#gen/sallyport/authorize/v1/proxy_authorize_pb.js';
import type { Clock } from '#kernel/time/clock.ts';
import { type Attachment, type HeldAssertion, leaseLost } from './attachment.ts';
import type { Lease } from './lease.ts';
import { counts, located } from './metrics.ts';
import type { PolicyHolder } from './policy-holder.ts';
import type { Revocations } from './revocations.ts';
import type { SecurityTier } from './security-tier.ts';
import type { AssertHere } from './sites.ts';

/** An assertion is shown with at least so much of its life left, so that it does not expire on its way. */
const assertionMarginMs = 10_000;
/** For so long nobody asks for a better one. */
const askedLatelyMs = 6000;

/** What a request may do. */
export interface Admitted {
  /** Name of the cluster. */
  readonly backend: string;
  /** The gateway through which it is reached; undefined: the sidecar reaches it. */
  readonly gateway: string | undefined;
  /** The host that the backend is to see, in its one spelling. */
  readonly authority: string;
  /** Bytes; undefined: the policy sets no limit. */
  readonly maxBodyBytes: number | undefined;
  readonly assertion: string;
}

export interface AuthorizerDeps {
  readonly tier: Pick<SecurityTier, 'authorize'>;
  readonly policies: Pick<PolicyHolder, 'atLeast' | 'version'>;
  readonly revocations: Pick<Revocations, 'assertCurrent'>;
  readonly clock: Clock;
  /** Gateways that were found dead lately: the tier names another. */
  readonly failedGateways: () => readonly string[];
  readonly assertHere: AssertHere;
  /** The attachment has lost its right for good: whoever keeps attachments ends this one. */
  readonly onEnded: (attachment: Attachment, error: SallyportError) => void;
}

/** By these the session is over, whatever lease there is. */
const sessionOver: ReadonlySet<ErrorReason> = new Set<ErrorReason>([
  'SESSION_UNKNOWN',
  'SESSION_EXPIRED',
  'SESSION_REVOKED',
  'ENROLMENT_REVOKED',
  'APP_REFUSED',
]);
/** By these the tier says that the question makes no sense; the lease is what it was. */
const badQuestion: ReadonlySet<ErrorReason> = new Set<ErrorReason>([
  'REQUEST_INVALID',
  'INVALID_FIELD',
  'MALFORMED',
]);

/** Decides requests: by the policy here while a lease lives, and by asking whenever it does not. */
export class Authorizer {
  readonly #deps: AuthorizerDeps;

  constructor(deps: AuthorizerDeps) {
    this.#deps = deps;
  }

  /** @throws POLICY_DENIED, RESOURCE_UNKNOWN, SITE_ELSEWHERE, REQUEST_INVALID, SESSION_…, LEASE_LOST, UNAVAILABLE */
  async admit(attachment: Attachment, request: RequestFacts): Promise<Admitted> {
    attachment.lastRequest = request;
    if (attachment.lease.ending) {
      await this.#renewed(attachment, request).catch((error: unknown) => {
        if (!attachment.lease.live) throw error;
      });
    }
    const policy = await this.#policyFor(attachment);
    if (policy === undefined) return this.#admitByTier(attachment, request, undefined);
    const resource =
      this.#steppedUp(attachment, request, policy) ?? (await this.#afterStepUp(attachment, request, policy));
    const held = this.#showable(attachment, resource, policy);
    if (held === undefined || !this.#isReached(attachment, resource)) {
      return this.#admitByTier(attachment, request, resource);
    }
    if (attachment.lease.renewalDue || !this.#outlasts(held, attachment.lease)) this.renewAhead(attachment);
    attachment.assertLive();
    counts.decisions.add(1, { how: 'leased' });
    located.add('leased');
    return admitted(attachment, resource, request, held.jwt);
  }

  /** Renews in the background, one renewal at a time; a failure is made good by the next request or tick. */
  renewAhead(attachment: Attachment): void {
    const { lastRequest } = attachment;
    if (lastRequest === undefined || attachment.asking.has('lease')) return;
    this.#renewed(attachment, lastRequest).catch((error: unknown) => {
      // A lease that has run out meanwhile ends what goes on under it. The attachment stays: whoever asks next asks
      // for a lease as well, and need not attach anew, with all others, when the tier is back.
      if (!attachment.lease.live) attachment.loseLease(leaseLost(error));
    });
  }

  /** Asks for a lease, once for all who wait for it. */
  #renewed(attachment: Attachment, request: RequestFacts): Promise<unknown> {
    return attachment.asking.get('lease') ?? noted(attachment, 'lease', this.#ask(attachment, request));
  }

  /** The tier's answer counts, and so does the policy here if it is there. */
  async #admitByTier(
    attachment: Attachment,
    request: RequestFacts,
    resource: Resource | undefined,
  ): Promise<Admitted> {
    // No wait between this look and the note below: or all who come at once would ask.
    const other = resource && attachment.asking.get(keyOf(resource));
    if (resource && other) {
      const brought = await broughtBy(other, attachment, resource);
      if (brought !== undefined) return this.#again(attachment, request, resource, brought);
    }
    const { policies } = this.#deps;
    const asking = this.#ask(attachment, request);
    const grant = await (resource ? noted(attachment, keyOf(resource), asking) : asking);
    if (!grant.allow) {
      // A pod learns of a new policy by itself, a moment after proxies have it of another: its denial is out of date.
      if (resource !== undefined && Number(grant.policyVersion) < policies.version) throw unanswered();
      throw denied(grant.reason, grant.explanation, grant.rule || undefined);
    }
    if (grant.assertion === '') throw unanswered();
    return this.#again(attachment, request, resource, grant.assertion, grant);
  }

  /** Decides once more after a wait: the answer may have brought a newer policy or other groups. */
  async #again(
    attachment: Attachment,
    request: RequestFacts,
    before: Resource | undefined,
    assertion: string,
    grant?: Grant,
  ): Promise<Admitted> {
    const policy = await this.#policyFor(attachment);
    const resource = policy && this.#allowed(attachment, request, policy);
    attachment.assertLive();
    // The assertion is for one resource's audience; two policies may differ in which that is.
    const named = grant?.resource ?? before?.name;
    if (resource !== undefined && resource.name !== named) throw unanswered();
    counts.decisions.add(1, { how: 'renewed' });
    if (resource !== undefined) return admitted(attachment, resource, request, assertion);
    // What decided must not be older than what any lease was given under.
    if (grant === undefined || Number(grant.policyVersion) < attachment.policyVersion) throw unanswered();
    const { backend } = grant;
    const gateway = gatewayOf(attachment, grant.resource, grant.gatewayGroup || undefined);
    return {
      backend,
      gateway,
      authority: requestHost(request.authority),
      maxBodyBytes: undefined,
      assertion,
    };
  }

  /** Asks the owner about this request; takes lease and assertion from the answer. */
  async #ask(attachment: Attachment, request: RequestFacts): Promise<Grant> {
    try {
      const { grant, lease } = await this.#deps.tier.authorize(attachment, request);
      this.#deps.revocations.assertCurrent(attachment, lease);
      attachment.renew(lease);
      if (grant.gatewayGroup !== '') attachment.gateways.set(grant.gatewayGroup, grant.gateway);
      if (grant.allow && grant.assertion !== '') {
        attachment.keepAssertion(grant.resource, {
          jwt: grant.assertion,
          expiresAtMs: Number(grant.assertionExpiresAtMs),
          policyVersion: Number(grant.policyVersion),
          sinceMs: this.#deps.clock.monotonic(),
        });
      }
      return grant;
    } catch (thrown) {
      const error = SallyportError.from(thrown);
      if (sessionOver.has(error.reason)) this.#deps.onEnded(attachment, error);
      // The attachment may have ended while it waited; then that is why.
      if (attachment.ended.aborted) throw attachment.ended.reason;
      throw badQuestion.has(error.reason) ? error : leaseLost(error);
    }
  }

  #policyFor(attachment: Attachment): Promise<Policy | undefined> {
    return this.#deps.policies.atLeast(attachment.policyVersion, attachment.ended);
  }

  #allowed(attachment: Attachment, request: RequestFacts, policy: Policy): Resource {
    const { facts } = attachment.lease;
    const resource = resolveResource(policy, request);
    const grant = decide(facts, facts.app, resource, request, policy, this.#deps.clock.now());
    if (grant.allow && resource !== undefined) {
      this.#deps.assertHere(resource);
      return resource;
    }
    if (grant.endsSession) throw this.#refused(attachment, request, grant);
    throw denied(grant.reason, grant.explain, grant.rule);
  }

  /** Undefined when the level of authentication that this lease knows of is all that is missing. */
  #steppedUp(attachment: Attachment, request: RequestFacts, policy: Policy): Resource | undefined {
    try {
      return this.#allowed(attachment, request, policy);
    } catch (error) {
      if (error instanceof SallyportError && error.metadata.grant === 'STEP_UP') return undefined;
      throw error;
    }
  }

  /** The user may have stepped up since the lease was given: another one tells. */
  async #afterStepUp(attachment: Attachment, request: RequestFacts, policy: Policy): Promise<Resource> {
    await this.#renewed(attachment, request);
    return this.#allowed(attachment, request, policy);
  }

  /** Ends it here at once; the tier, which is asked about it, comes to the same and ends it everywhere. */
  #refused(attachment: Attachment, request: RequestFacts, grant: PolicyGrant): SallyportError {
    counts.decisions.add(1, { how: 'denied' });
    const error = appRefused(grant);
    this.#deps.tier.authorize(attachment, request).then(
      () => this.#deps.onEnded(attachment, error),
      () => this.#deps.onEnded(attachment, error),
    );
    return error;
  }

  /** Whether it needs no gateway, or has one that is not known to be dead. */
  #isReached(attachment: Attachment, { gatewayGroup }: Resource): boolean {
    if (gatewayGroup === undefined) return true;
    const gateway = attachment.gateways.get(gatewayGroup);
    return gateway !== undefined && !this.#deps.failedGateways().includes(gateway);
  }

  #showable(
    attachment: Attachment,
    resource: Resource,
    policy: Policy | undefined,
  ): HeldAssertion | undefined {
    const held = attachment.assertionFor(resource.name);
    if (held === undefined || held.policyVersion !== policy?.version) return undefined;
    return this.#showableMs(held) > 0 ? held : undefined;
  }

  #showableMs({ expiresAtMs }: HeldAssertion): number {
    return expiresAtMs - this.#deps.clock.now() - assertionMarginMs;
  }

  /**
   * One that does not would make the lease useless while the tier cannot be asked. Who has just got it is not to ask
   * again, though: it may not last longer because the session does not.
   */
  #outlasts(held: HeldAssertion, lease: Lease): boolean {
    const { clock } = this.#deps;
    return this.#showableMs(held) >= lease.leftMs || clock.monotonic() - held.sinceMs < askedLatelyMs;
  }
}

function admitted(
  attachment: Attachment,
  resource: Resource,
  request: RequestFacts,
  assertion: string,
): Admitted {
  const { backend, name, hosts, maxBodyBytes } = resource;
  const gateway = gatewayOf(attachment, name, resource.gatewayGroup);
  // Asked for by name, a backend sees its first real host.
  const host = request.authority === name ? hosts.find((each) => !each.startsWith('*')) : undefined;
  return { backend, gateway, authority: host ?? requestHost(request.authority), maxBodyBytes, assertion };
}

/** @throws BACKEND_UNAVAILABLE when the mesh has no gateway of that group */
function gatewayOf(attachment: Attachment, resource: string, group: string | undefined): string | undefined {
  if (group === undefined) return undefined;
  const gateway = attachment.gateways.get(group);
  if (gateway) return gateway;
  throw new SallyportError('BACKEND_UNAVAILABLE', {
    message: `"${resource}" is reached through gateways of group "${group}", of which there is none`,
    metadata: { maybeExecuted: 'false' },
  });
}

/** The assertion that another's question brings; its failure is met again by whoever then asks. */
async function broughtBy(
  other: Promise<unknown>,
  attachment: Attachment,
  { name }: Resource,
): Promise<string | undefined> {
  const before = attachment.assertionFor(name);
  await Promise.allSettled([other]);
  const now = attachment.assertionFor(name);
  return now === before ? undefined : now?.jwt;
}

const keyOf = (resource: Resource): string => `assertion ${resource.name}`;

/** Lets others who want the same wait for this question, if none is noted already. */
function noted(attachment: Attachment, key: string, asking: Promise<Grant>): Promise<Grant> {
  if (attachment.asking.has(key)) return asking;
  const over = asking.finally(() => attachment.asking.delete(key));
  attachment.asking.set(key, over);
  return over;
}

function denied(reason: string, explanation: string, rule: string | undefined): SallyportError {
  counts.decisions.add(1, { how: 'denied' });
  return new SallyportError(reason === 'NO_RESOURCE' ? 'RESOURCE_UNKNOWN' : 'POLICY_DENIED', {
    message: explanation,
    metadata: { grant: reason, ...(rule !== undefined && { rule }) },
  });
}

function unanswered(): SallyportError {
  return new SallyportError('UNAVAILABLE', {
    message: 'this proxy and the security tier do not decide by the same policy yet',
    retryAfterMs: 500,
  });
}
