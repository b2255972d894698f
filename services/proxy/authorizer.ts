import { SallyportError } from '#core/errors/error.ts';
import { decide } from '#core/policy/decide.ts';
import type { RequestFacts } from '#core/policy/facts.ts';
import type { Policy, Resource } from '#core/policy/policy.ts';
import { resolveResource } from '#core/policy/resolve-resource.ts';
import type { Clock } from '#kernel/time/clock.ts';
import { type Attachment, type HeldAssertion, leaseLost } from './attachment.ts';
import type { PolicyHolder } from './policy-holder.ts';
import type { SecurityTier } from './security-tier.ts';

/** An assertion is shown with at least so much of its life left, so that it does not expire on its way. */
const assertionMarginMs = 10_000;

export interface Admitted {
  readonly resource: Resource;
  readonly assertion: string;
}

export interface AuthorizerDeps {
  readonly tier: Pick<SecurityTier, 'authorize'>;
  readonly policies: Pick<PolicyHolder, 'atLeast'>;
  readonly clock: Clock;
  /** The session is over, by the tier's word: whoever keeps attachments ends this one. */
  readonly onEnded: (attachment: Attachment, error: SallyportError) => void;
}

/** Decides requests: by the policy here while a lease lives, and by asking whenever it does not. */
export class Authorizer {
  readonly #deps: AuthorizerDeps;

  constructor(deps: AuthorizerDeps) {
    this.#deps = deps;
  }

  /** @throws POLICY_DENIED, REQUEST_INVALID, SESSION_…, LEASE_LOST, UNAVAILABLE */
  async admit(attachment: Attachment, request: RequestFacts): Promise<Admitted> {
    attachment.lastRequest = request;
    if (!attachment.lease.live) await this.renew(attachment, request);
    let policy = await this.#policyFor(attachment);
    let resource = this.#allowed(attachment, request, policy);
    let assertion = attachment.assertions.get(resource.name);
    if (assertion === undefined || !this.#showable(assertion, policy)) {
      await this.renew(attachment, request);
      // The answer may have come with a newer policy.
      policy = await this.#policyFor(attachment);
      resource = this.#allowed(attachment, request, policy);
      assertion = attachment.assertions.get(resource.name);
    } else if (attachment.lease.renewalDue) {
      this.renewAhead(attachment);
    }
    if (assertion === undefined) {
      throw new SallyportError('UNAVAILABLE', {
        message: 'the security tier gave no assertion',
        retryAfterMs: 500,
      });
    }
    attachment.assertLive();
    return { resource, assertion: assertion.jwt };
  }

  /** Asks the owner about this request; takes lease and assertion from the answer. */
  async renew(attachment: Attachment, request: RequestFacts): Promise<void> {
    try {
      const { answer, lease } = await this.#deps.tier.authorize(attachment, request);
      attachment.lease = lease;
      const { grant } = answer;
      if (grant?.allow && grant.assertion !== '') {
        attachment.assertions.set(grant.resource, {
          jwt: grant.assertion,
          expiresAtMs: Number(grant.assertionExpiresAtMs),
          policyVersion: Number(grant.policyVersion),
        });
      }
    } catch (thrown) {
      const error = SallyportError.from(thrown);
      if (error.status === 'UNAUTHENTICATED') {
        this.#deps.onEnded(attachment, error);
        throw error;
      }
      throw error.status === 'UNAVAILABLE' || error.status === 'DEADLINE_EXCEEDED' ? leaseLost(error) : error;
    }
  }

  /** Renews in the background, one renewal at a time; a failure is made good by the next request or tick. */
  renewAhead(attachment: Attachment): void {
    const { lastRequest } = attachment;
    if (lastRequest === undefined || attachment.renewing !== undefined) return;
    attachment.renewing = this.renew(attachment, lastRequest).then(
      () => {
        attachment.renewing = undefined;
      },
      (error: unknown) => {
        attachment.renewing = undefined;
        // A lease that runs out meanwhile cuts what goes on under it.
        if (!attachment.lease.live) this.#deps.onEnded(attachment, leaseLost(error));
      },
    );
  }

  #policyFor(attachment: Attachment): Promise<Policy> {
    return this.#deps.policies.atLeast(attachment.lease.policyVersion, attachment.ended);
  }

  #allowed(attachment: Attachment, request: RequestFacts, policy: Policy): Resource {
    const { facts } = attachment.lease;
    const resource = resolveResource(policy, request);
    const grant = decide(facts, facts.app, resource, request, policy, this.#deps.clock.now());
    if (grant.allow && resource !== undefined) return resource;
    if (grant.reason === 'SESSION_EXPIRED') throw new SallyportError('SESSION_EXPIRED');
    throw new SallyportError(resource === undefined ? 'RESOURCE_UNKNOWN' : 'POLICY_DENIED', {
      message: grant.explain,
      metadata: { grant: grant.reason, ...(grant.rule !== undefined && { rule: grant.rule }) },
    });
  }

  #showable(held: HeldAssertion, policy: Policy): boolean {
    return (
      held.policyVersion === policy.version && held.expiresAtMs - this.#deps.clock.now() > assertionMarginMs
    );
  }
}
