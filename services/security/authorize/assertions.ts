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
  /** Milliseconds for which an assertion is valid; default and at most 60,000. */
  readonly lifetimeMs?: number;
  /** Assertions that are kept; default 50,000. */
  readonly max?: number;
}

/** Signs an assertion once per session and audience, and again when a third of its time is left. */
export class Assertions {
  readonly #deps: AssertionsDeps;
  readonly #kept = new Map<string, Assertion>();

  constructor(deps: AssertionsDeps) {
    this.#deps = deps;
  }

  /** At once if there is one already, so that a stream's answers need not wait. */
  async of(record: SessionRecord, audience: string): Promise<Assertion> {
    const { now, signer, lifetimeMs = 60_000, max = 50_000 } = this.#deps;
    const handle = handleOf(record.id);
    const key = `${audience} ${record.version} ${handle}`;
    const nowMs = now();
    const known = this.#kept.get(key);
    if (known !== undefined && known.expiresAtMs - nowMs > lifetimeMs / 3) return known;
    // In whole seconds, as JWT has them, and never beyond the session.
    const iat = Math.floor(nowMs / 1000);
    const exp = Math.floor(Math.min(nowMs + Math.min(lifetimeMs, 60_000), record.expiresAtMs) / 1000);
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

  /** Those that have expired stand in front, since each renewal goes to the back. */
  #forget(nowMs: number, max: number): void {
    for (const [key, kept] of this.#kept) {
      if (kept.expiresAtMs > nowMs && this.#kept.size <= max) return;
      this.#kept.delete(key);
    }
  }
}
