import { SallyportError } from '#core/errors/error.ts';
import { freezeSession, type SessionFacts } from '#core/policy/facts.ts';
import type { Lease as WireLease } from '#gen/sallyport/authorize/v1/proxy_authorize_pb.js';
import { type Clock, elapsed, type Instant } from '#kernel/time/clock.ts';

/** After this share of its time a lease that is in use is renewed. */
const renewAfter = 0.6;
/**
 * And after so many milliseconds at the latest: a long lease is there to outlast a cut line, so it must not be old
 * when the line is cut.
 */
const renewAfterMs = 6000;
/**
 * So many milliseconds before its end, and not more than this share of its time, nothing should begin under a lease: more
 * than most answers take, and no more, since it is all that relaying lives on while the tier is away.
 */
const endingMs = 500;
const endingShare = 0.2;

/**
 * A proxy's right to use a session for some seconds without asking again. It counts from the moment the
 * proxy asked, by the larger of monotonic and wall-clock progress: who gave it counts from later, so the
 * tier may take it that the right has ended when its own time is up.
 */
export class Lease {
  readonly facts: SessionFacts;
  /** No decision is made by an older policy. */
  readonly policyVersion: number;
  /** Entries of the revocation feed up to here were considered when the lease was given. */
  readonly feedPosition: number;
  /** Name of the security pod that gave it. */
  readonly pod: string;
  readonly #clock: Clock;
  readonly #asked: Instant;
  readonly #durationMs: number;

  /** @throws LEASE_LOST when the answer carries no lease */
  constructor(wire: WireLease | undefined, asked: Instant, clock: Clock) {
    if (wire?.facts === undefined || wire.durationMs === 0) throw new SallyportError('LEASE_LOST');
    const { facts } = wire;
    this.#clock = clock;
    this.#asked = asked;
    this.#durationMs = wire.durationMs;
    this.policyVersion = Number(wire.policyVersion);
    this.feedPosition = Number(wire.feedPosition);
    this.pod = wire.pod;
    this.facts = freezeSession({
      user: facts.user,
      groups: facts.groups,
      deviceId: facts.deviceId,
      // By the tier's clock, and a lease never outlasts the session: this proxy's clock has no say in it.
      expiresAt: Number.MAX_SAFE_INTEGER,
      // A pod of an older release does not say.
      authLevel: Math.max(1, facts.authLevel),
      app: facts.app && {
        platform: facts.app.platform,
        appId: facts.app.appId,
        version: facts.app.version,
        certDigest: Buffer.from(facts.app.certDigest).toString('hex'),
        osVersion: facts.app.osVersion,
        posture: { ...facts.app.posture },
      },
    });
  }

  get live(): boolean {
    return elapsed(this.#clock, this.#asked) < this.#durationMs;
  }

  /** Milliseconds; not above 0 when it is over. */
  get leftMs(): number {
    return this.#durationMs - elapsed(this.#clock, this.#asked);
  }

  /** An answer may well come after it is over: a request that begins had better wait for the next. */
  get ending(): boolean {
    return this.leftMs <= Math.min(endingMs, this.#durationMs * endingShare);
  }

  get renewalDue(): boolean {
    return elapsed(this.#clock, this.#asked) >= Math.min(this.#durationMs * renewAfter, renewAfterMs);
  }
}
