import { encodeBase64url } from '#core/ids/base64url.ts';
import type { AssertionSigner } from '#kernel/crypto/assertion.ts';
import { channelCrypto } from '#kernel/crypto/channel-crypto.ts';
import { handleOf, type SessionRecord } from '../session/record.ts';

/** A signed statement about who asks, for one backend. */
export interface Assertion {
  readonly jwt: string;
  /** Unix milliseconds. */
  readonly expiresAtMs: number;
}

export interface AssertionsDeps {
  readonly signer: () => Pick<AssertionSigner, 'kid' | 'sign'>;
  /** Database time, Unix milliseconds. */
  readonly now: () => number;
  /** Milliseconds for which an assertion is valid; default and at most 60,000. Longer only for who has a longer lease. */
  readonly lifetimeMs?: number;
  /** Assertions that are kept; default 50,000. */
  readonly max?: number;
}

/** Milliseconds that a proxy needs an assertion to be good for when it shows it (services/proxy/authorizer.ts). */
const shownMs = 10_000;
/** Milliseconds between two signatures for a proxy whose lease is as long as an assertion's life. */
const signEveryMs = 20_000;

/** Signs an assertion once per session and audience, and again when a third of its time is left. */
export class Assertions {
  readonly #deps: AssertionsDeps;
  readonly #kept = new Map<string, Assertion>();
  readonly #last = new WeakMap<SessionRecord, { readonly audience: string; readonly assertion: Assertion }>();

  constructor(deps: AssertionsDeps) {
    this.#deps = deps;
  }

  /**
   * The one that was asked for last, if it is good still: most requests of a session go to one backend.
   * @param leaseMs of whoever shows it, who is to have no need of another one before
   */
  known(record: SessionRecord, audience: string, nowMs: number, leaseMs = 0): Assertion | undefined {
    const last = this.#last.get(record);
    if (last === undefined || last.audience !== audience) return undefined;
    return this.#isGood(last.assertion, nowMs, leaseMs) ? last.assertion : undefined;
  }

  async of(record: SessionRecord, audience: string, leaseMs = 0): Promise<Assertion> {
    const assertion = await this.#find(record, audience, leaseMs);
    this.#last.set(record, { audience, assertion });
    return assertion;
  }

  async #find(record: SessionRecord, audience: string, leaseMs: number): Promise<Assertion> {
    const { now, signer, max = 50_000 } = this.#deps;
    const handle = handleOf(record.id);
    const key = `${audience} ${record.version} ${handle}`;
    const nowMs = now();
    const known = this.#kept.get(key);
    if (known !== undefined && this.#isGood(known, nowMs, leaseMs)) return known;
    // In whole seconds, as JWT has them, and never beyond the session.
    const iat = Math.floor(nowMs / 1000);
    const exp = Math.floor(Math.min(nowMs + this.#lifeFor(leaseMs), record.expiresAtMs) / 1000);
    const jwt = await signer().sign({
      sub: record.user,
      groups: record.groups,
      ...(record.deviceId === '' ? {} : { device: record.deviceId }),
      aud: audience,
      sid: handle,
      jti: encodeBase64url(channelCrypto.randomBytes(12)),
      iat,
      exp,
    });
    const assertion = { jwt, expiresAtMs: exp * 1000 };
    this.#kept.delete(key);
    this.#kept.set(key, assertion);
    if (this.#kept.size > max) this.#forget(nowMs, max);
    return assertion;
  }

  #lifeFor(leaseMs: number): number {
    const usual = Math.min(this.#deps.lifetimeMs ?? 60_000, 60_000);
    return Math.max(usual, leaseMs === 0 ? 0 : leaseMs + shownMs + signEveryMs);
  }

  #isGood({ expiresAtMs }: Assertion, nowMs: number, leaseMs: number): boolean {
    const third = (this.#deps.lifetimeMs ?? 60_000) / 3;
    return expiresAtMs - nowMs > Math.max(third, leaseMs === 0 ? 0 : leaseMs + shownMs);
  }

  /** Those that have expired stand in front, since each renewal goes to the back. */
  #forget(nowMs: number, max: number): void {
    for (const [key, kept] of this.#kept) {
      if (kept.expiresAtMs > nowMs && this.#kept.size <= max) return;
      this.#kept.delete(key);
    }
  }
}
