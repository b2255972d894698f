import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { oidcNonce } from '#core/channel/oidc-nonce.ts';
import { SallyportError } from '#core/errors/error.ts';
import { encodeBase64url } from '#core/ids/base64url.ts';
import type { LoginRequest, SessionService } from '#gen/sallyport/session/v1/session_pb.js';
import { channelCrypto } from '#kernel/crypto/channel-crypto.ts';
import type { Db } from '#kernel/db/db.ts';
import type { CallContext, Handlers } from '#kernel/rpc/handlers.ts';
import { held } from '#kernel/rpc/hold.ts';
import type { Clock } from '#kernel/time/clock.ts';
import type { SecurityConfig } from '../config.ts';
import { canonicalUser } from '../directory/users.ts';
import { AsOf } from '../feed/as-of.ts';
import type { Feed } from '../feed/feed.ts';
import type { SecurityTables } from '../store/tables.ts';
import { addressOf } from '../throttle/address-of.ts';
import type { Limits } from '../throttle/limits.ts';
import { bearerToken, sessionOfToken, tokenFor } from './people-token.ts';
import type { Sessions } from './sessions.ts';
import { type Claimed, prove, type Verified, type VerifyUserDeps } from './verify-user.ts';

export interface LoginDeps extends Pick<VerifyUserDeps, 'credentials' | 'oidc'> {
  readonly db: Pick<Db<SecurityTables>, 'tx'>;
  readonly providers: SecurityConfig['oidc'];
  readonly sessions: Sessions;
  readonly feed: Pick<Feed, 'position' | 'assertFresh'>;
  readonly clock: Clock;
  readonly lifetimeMs: number;
  readonly limits: Pick<Limits, 'userPasswords' | 'passwords'>;
}

/**
 * The route key of a person's sessions: a pseudonym that whoever knows the name can compute, so that Login
 * itself can be routed to the pod that will own the session and counts its failures.
 */
export function routeKeyOfUser(name: string): string {
  const digest = createHash('sha256')
    .update(`sallyport user route v1\0${canonicalUser(name)}`)
    .digest();
  return encodeBase64url(digest.subarray(0, 16));
}

/** Login and Logout: sessions of people (operators, approvers, support), carried by a bearer token. */
export function people(
  deps: LoginDeps,
): Pick<Handlers<typeof SessionService>, 'login' | 'logout' | 'listOpenIdProviders'> {
  const providers = deps.providers.flatMap(({ issuer, peopleClientId: clientId }) =>
    clientId === undefined ? [] : [{ issuer, clientId }],
  );
  return {
    listOpenIdProviders: async () => ({ providers }),

    login: async (request, call) => {
      deps.feed.assertFresh();
      const asOf = new AsOf(deps.feed.position);
      const { user, amr } = await verified(deps, request, asOf, call);
      const secret = randomBytes(32);
      const record = await deps.sessions.open({
        routeKey: routeKeyOfUser(user.name),
        kind: 'person',
        user: user.name,
        groups: user.groups,
        deviceId: '',
        app: undefined,
        amr,
        feedPosition: asOf.position,
        lifetimeMs: deps.lifetimeMs,
        build: () => ({ sessionKey: createHash('sha256').update(secret).digest() }),
      });
      return {
        token: tokenFor(record.id, secret),
        routeKey: record.routeKey,
        expiresAt: timestampFromMs(record.expiresAtMs),
        groups: [...record.groups],
      };
    },

    logout: async (_request, call) => {
      const record = await sessionOfToken(deps.sessions, bearerToken(call));
      await deps.sessions.end(record, 'logged out', 'COMMITTED', held(call));
      return {};
    },
  };
}

/** @throws THROTTLED, CREDENTIALS_INVALID, OVERLOADED, OIDC_UNREACHABLE; with an ID token DB_UNAVAILABLE, too */
async function verified(
  deps: LoginDeps,
  request: Pick<LoginRequest, 'user' | 'password' | 'openId'>,
  asOf: AsOf,
  call: CallContext,
): Promise<Verified> {
  const { limits } = deps;
  const address = addressOf(call);
  const subject = `${canonicalUser(request.user)}\0${address}`;
  limits.passwords.check(address);
  // Ahead of the hash, so that guesses made at once count as if made one after the other.
  limits.userPasswords.take(subject);
  let found: Verified | undefined;
  try {
    found = await verify(deps, request, asOf, call);
  } catch (error) {
    limits.userPasswords.giveBack(subject);
    throw error;
  }
  if (found === undefined) {
    limits.passwords.count(address);
    throw new SallyportError('CREDENTIALS_INVALID');
  }
  limits.userPasswords.forgive(subject);
  return found;
}

async function verify(
  deps: LoginDeps,
  { user: name, password, openId }: Pick<LoginRequest, 'user' | 'password' | 'openId'>,
  asOf: AsOf,
  call: CallContext,
): Promise<Verified | undefined> {
  const claimed: Claimed = { user: canonicalUser(name), routeKey: routeKeyOfUser(name), kind: 'person' };
  const options = { asOf, ...held(call) };
  const proved = await prove(deps, claimed, { password, openId }, options);
  // The contract refuses who shows nothing; were it to let one through, he has still proved nothing.
  if (proved === undefined || proved.amr.length === 0) return undefined;
  const user = proved.user ?? (await deps.credentials.find(claimed.user, options));
  if (user === undefined) return undefined;
  if (openId !== undefined) {
    const nonce = oidcNonce(channelCrypto, claimed.routeKey, openId.secret);
    if (!(await usedFirst(deps.db, nonce, call))) return undefined;
  }
  return { user, amr: proved.amr };
}

/**
 * Whether nobody has logged in by this nonce before, at whichever pod: whoever sees a log-in go by (an edge does)
 * cannot do it again. The key lies for a week, a token is good for minutes.
 */
async function usedFirst(db: LoginDeps['db'], nonce: string, call: CallContext): Promise<boolean> {
  const mine = randomUUID();
  return (await db.tx(async () => mine, { key: `oidc ${nonce}`, ...held(call) })) === mine;
}
