import { type AssertionClaims, type Jwk, verifyAssertion } from '#kernel/crypto/assertion.ts';

export interface VerifiedAssertionsDeps {
  readonly jwks: () => { readonly keys: readonly Jwk[] };
  /** Database time, Unix milliseconds. */
  readonly now: () => number;
  /** Milliseconds for which a signature need not be looked at again; default 5000. */
  readonly keepMs?: number;
  /** Assertions that are kept; default 20,000. */
  readonly max?: number;
}

interface Verified {
  readonly claims: AssertionClaims;
  readonly atMs: number;
}

/** Clocks may differ by so much, as in verifyAssertion. */
const toleranceMs = 5000;

/**
 * Verifies assertions, each once in some seconds: whoever asks about every request of a page shows the same one
 * again and again, and its signature costs more than the decision. Its expiry is looked at each time; a signing
 * key that is withdrawn counts once `keepMs` has passed.
 */
export class VerifiedAssertions {
  readonly #deps: VerifiedAssertionsDeps;
  readonly #kept = new Map<string, Verified>();

  constructor(deps: VerifiedAssertionsDeps) {
    this.#deps = deps;
  }

  /** @throws TOKEN_INVALID */
  async claimsOf(jwt: string): Promise<AssertionClaims> {
    const { now, jwks, keepMs = 5000, max = 20_000 } = this.#deps;
    const nowMs = now();
    const known = this.#kept.get(jwt);
    if (known !== undefined && isGood(known, nowMs, keepMs)) return known.claims;
    this.#kept.delete(jwt);
    const claims = await verifyAssertion(jwt, { keys: jwks().keys }, nowMs);
    this.#kept.set(jwt, { claims, atMs: nowMs });
    this.#forget(nowMs - keepMs, max);
    return claims;
  }

  /** Assertions that are kept. */
  get size(): number {
    return this.#kept.size;
  }

  /** The oldest stand in front. */
  #forget(beforeMs: number, max: number): void {
    for (const [jwt, { atMs }] of this.#kept) {
      if (atMs >= beforeMs && this.#kept.size <= max) return;
      this.#kept.delete(jwt);
    }
  }
}

function isGood({ claims, atMs }: Verified, nowMs: number, keepMs: number): boolean {
  // Database time may be set back.
  const age = nowMs - atMs;
  return age >= 0 && age < keepMs && claims.exp * 1000 + toleranceMs > nowMs;
}
