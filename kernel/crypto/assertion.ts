import { createPrivateKey, type KeyObject } from 'node:crypto';
// Not from 'jose': what it has for encryption would be loaded with each start.
import { JOSEError } from 'jose/errors';
import { createLocalJWKSet } from 'jose/jwks/local';
import { SignJWT } from 'jose/jwt/sign';
import { jwtVerify } from 'jose/jwt/verify';
import { SallyportError } from '#core/errors/error.ts';

/** A public key of assertions (RFC 7517, RFC 8037). */
export interface Jwk {
  readonly [name: string]: unknown;
  readonly kty: 'OKP';
  readonly crv: 'Ed25519';
  readonly use: 'sig';
  readonly alg: 'EdDSA';
  readonly kid: string;
  /** The 32 bytes in base64url. */
  readonly x: string;
}

/** What a backend may rely on: who asks, from which device, for which resource. */
export interface AssertionClaims {
  /** Name of the user. */
  readonly sub: string;
  readonly groups: readonly string[];
  /** Id of the device; absent for people's sessions. */
  readonly device?: string;
  /** Audience: name of the resource, or what the policy says. */
  readonly aud: string;
  /** Handle of the session, by which whoever holds the assertion can be asked about. */
  readonly sid: string;
  /** Number of the assertion. */
  readonly jti: string;
  /** Seconds since 1970. */
  readonly iat: number;
  readonly exp: number;
}

export const assertionIssuer = 'sallyport';

/** DER of a PKCS #8 Ed25519 private key up to its 32-byte seed (RFC 8410). */
const pkcs8Head = Buffer.from('302e020100300506032b657004220420', 'hex');

/** Signs identity assertions: JWT (RFC 7519) with EdDSA (RFC 8037). */
export class AssertionSigner {
  readonly kid: string;
  readonly #key: KeyObject;

  /** @param seed 32 bytes */
  constructor(kid: string, seed: Uint8Array) {
    this.kid = kid;
    const key = Buffer.concat([pkcs8Head, seed]);
    this.#key = createPrivateKey({ key, format: 'der', type: 'pkcs8' });
  }

  sign(claims: AssertionClaims): Promise<string> {
    return new SignJWT({ ...claims, groups: [...claims.groups], iss: assertionIssuer })
      .setProtectedHeader({ alg: 'EdDSA', kid: this.kid, typ: 'JWT' })
      .sign(this.#key);
  }
}

/**
 * Verifies an assertion at `nowMs` (Unix milliseconds); clocks may differ by 5 seconds.
 * @param audience when given, the only one that is right
 * @throws TOKEN_INVALID
 */
export async function verifyAssertion(
  token: string,
  jwks: { keys: readonly Jwk[] },
  nowMs: number,
  audience?: string,
): Promise<AssertionClaims> {
  try {
    const { payload } = await jwtVerify(token, createLocalJWKSet({ keys: [...jwks.keys] }), {
      algorithms: ['EdDSA'],
      issuer: assertionIssuer,
      typ: 'JWT',
      clockTolerance: 5,
      currentDate: new Date(nowMs),
      requiredClaims: ['sub', 'aud', 'iat', 'exp', 'jti', 'sid'],
      ...(audience === undefined ? {} : { audience }),
    });
    return payload as typeof payload & AssertionClaims;
  } catch (cause) {
    if (!(cause instanceof JOSEError)) throw cause;
    throw new SallyportError('TOKEN_INVALID', { message: 'the assertion is not valid', cause });
  }
}
