import { readFile } from 'node:fs/promises';
import type { JWTPayload, JWTVerifyGetKey } from 'jose';
import { JOSEError, JWKSTimeout } from 'jose/errors';
import { createRemoteJWKSet, customFetch } from 'jose/jwks/remote';
import { decodeJwt } from 'jose/jwt/decode';
import { jwtVerify } from 'jose/jwt/verify';
import { z } from 'zod';
import { oidcNonce } from '#core/channel/oidc-nonce.ts';
import { SallyportError } from '#core/errors/error.ts';
import type { OpenIdToken } from '#gen/sallyport/channel/v1/channel_pb.js';
import { channelCrypto } from '#kernel/crypto/channel-crypto.ts';
import type { Logger } from '#kernel/log/logger.ts';
import type { Clock } from '#kernel/time/clock.ts';
import type { SecurityConfig } from '../config.ts';
import { canonicalUser } from '../directory/users.ts';
import type { SessionKind } from '../session/record.ts';

type Provider = SecurityConfig['oidc'][number];

/** What a provider says: a user's name here, and whether he has shown more than one factor. */
export interface OidcSaid {
  /** Canonical. */
  readonly user: string;
  readonly strong: boolean;
}

/** Whom a token must have been made for. */
export interface OidcFor {
  /** Of the enrolment, or of a person. */
  readonly routeKey: string;
  /** Devices and people's tools are clients of their own at the provider. */
  readonly kind: SessionKind;
}

/**
 * Verifies an ID token; undefined when it is not right.
 * @throws OIDC_UNREACHABLE when the provider's keys are not known and cannot be had
 */
export type OidcVerifier = (token: OpenIdToken, whom: OidcFor) => Promise<OidcSaid | undefined>;

/** OpenID Connect asks providers for RS256; the others are what they offer besides. No secret is shared, so no HS256. */
const algorithms = ['RS256', 'PS256', 'ES256', 'ES384', 'EdDSA', 'Ed25519'];
/** A token is for logging in now, not later. Seconds. */
const maxAgeS = 600;
/** Clocks of provider and tier may differ so much. Seconds. */
const toleranceS = 60;
/** Milliseconds for the provider to answer. */
const fetchMs = 5000;
/** For how long keys that were fetched are good; a key that is not among them is asked for sooner. Milliseconds. */
const keysMs = 3_600_000;
/** A provider that gave no keys is left alone for so long: whoever is not known yet can have it asked. Milliseconds. */
const awayMs = 2000;

const metadata = z.object({ issuer: z.string(), jwks_uri: z.url() });

/**
 * ID tokens by the authorisation code flow with PKCE, which the device or a person's tool goes through itself, as
 * native apps do (RFC 8252): this tier holds no client secret and sees no code. What binds the token to this device or
 * log-in is its nonce.
 * Providers are asked for their keys only.
 */
export async function oidcVerifier(
  providers: readonly Provider[],
  { clock, log }: { readonly clock: Pick<Clock, 'now' | 'monotonic'>; readonly log: Logger },
): Promise<OidcVerifier> {
  const known = new Map<string, { provider: Provider; keys: JWTVerifyGetKey }>();
  for (const provider of providers) {
    known.set(provider.issuer, { provider, keys: await keysOf(provider, clock) });
  }
  return async ({ idToken, secret }, { routeKey, kind }) => {
    try {
      const found = known.get(String(decodeJwt(idToken).iss));
      if (found === undefined) return undefined;
      const { issuer, clientId, peopleClientId } = found.provider;
      const audience = kind === 'person' ? peopleClientId : clientId;
      if (audience === undefined) return undefined;
      const { payload } = await jwtVerify(idToken, found.keys, {
        ...{ issuer, audience, algorithms, maxTokenAge: maxAgeS, clockTolerance: toleranceS },
        currentDate: new Date(clock.now()),
        requiredClaims: ['exp', 'iat', 'sub', 'nonce'],
      });
      if (payload.nonce !== oidcNonce(channelCrypto, routeKey, secret)) return undefined;
      // One for several audiences names the client that has got it (OpenID Connect Core, 3.1.3.7).
      if ((payload.azp ?? audience) !== audience) return undefined;
      return saidBy(found.provider, payload);
    } catch (error) {
      // What jose throws itself is about the token; a time-out of its own is not.
      if (error instanceof JOSEError && !(error instanceof JWKSTimeout)) {
        log.debug({ err: error }, 'an ID token was not taken');
        return undefined;
      }
      if (error instanceof SallyportError) throw error;
      log.warn({ err: error }, 'an OpenID provider does not give its keys');
      throw new SallyportError('OIDC_UNREACHABLE', { retryAfterMs: awayMs, cause: error });
    }
  };
}

function saidBy({ userClaim, strongAcr, strongAmr }: Provider, payload: JWTPayload): OidcSaid | undefined {
  const name = payload[userClaim];
  if (typeof name !== 'string' || name === '') return undefined;
  const amr: unknown[] = Array.isArray(payload.amr) ? payload.amr : [];
  const strong = strongAcr.some((acr) => acr === payload.acr) || strongAmr.some((each) => amr.includes(each));
  return { user: canonicalUser(name), strong };
}

/** Asks the provider where its keys are when they are first needed, and again as long as that fails. */
async function keysOf(
  { issuer, caFile }: Provider,
  clock: Pick<Clock, 'monotonic'>,
): Promise<JWTVerifyGetKey> {
  const ca = caFile === undefined ? undefined : await readFile(caFile, 'utf8');
  // A hundred modules that nobody needs who has no provider.
  const { Agent, fetch: undiciFetch } = await import('undici');
  const dispatcher = new Agent({ connect: { ...(ca !== undefined && { ca }) } });
  let away: { readonly untilMs: number; readonly error: unknown } | undefined;
  const ask = async <T>(url: string, read: (json: unknown) => T): Promise<T> => {
    if (away !== undefined && clock.monotonic() < away.untilMs) throw away.error;
    try {
      const response = await undiciFetch(url, {
        dispatcher,
        signal: AbortSignal.timeout(fetchMs),
        redirect: 'error',
      });
      if (!response.ok) throw new Error(`${url} answers ${response.status}`);
      return read(await response.json());
    } catch (error) {
      away = { untilMs: clock.monotonic() + awayMs, error };
      throw error;
    }
  };
  const discover = async (): Promise<JWTVerifyGetKey> => {
    const where = await ask(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`, (json) => {
      const found = metadata.parse(json);
      if (found.issuer !== issuer) throw new Error(`${issuer} says that it is ${found.issuer}`);
      return new URL(found.jwks_uri);
    });
    return createRemoteJWKSet(where, {
      cacheMaxAge: keysMs,
      timeoutDuration: fetchMs,
      [customFetch]: (url: string) => ask(url, (json) => Response.json(json)),
    });
  };
  let set: Promise<JWTVerifyGetKey> | undefined;
  return async (header, token) => {
    set ??= discover();
    const current = set;
    // Once it is known where they are, keys that were fetched count on while the provider is away.
    const keys = await current.catch((error: unknown) => {
      if (set === current) set = undefined;
      throw error;
    });
    return keys(header, token);
  };
}
