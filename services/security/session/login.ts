import { createHash, randomBytes } from 'node:crypto';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { SallyportError } from '#core/errors/error.ts';
import { encodeBase64url } from '#core/ids/base64url.ts';
import type { SessionService } from '#gen/sallyport/session/v1/session_pb.js';
import type { CallContext, Handlers } from '#kernel/rpc/handlers.ts';
import { held } from '#kernel/rpc/hold.ts';
import type { Clock } from '#kernel/time/clock.ts';
import type { Credentials } from '../directory/credentials.ts';
import { canonicalUser, type User } from '../directory/users.ts';
import { AsOf } from '../feed/as-of.ts';
import type { Feed } from '../feed/feed.ts';
import { addressOf } from '../throttle/address-of.ts';
import type { Limits } from '../throttle/limits.ts';
import { bearerToken, sessionOfToken, tokenFor } from './people-token.ts';
import type { Sessions } from './sessions.ts';

export interface LoginDeps {
  readonly credentials: Credentials;
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
export function people(deps: LoginDeps): Pick<Handlers<typeof SessionService>, 'login' | 'logout'> {
  return {
    login: async ({ user: name, password }, call) => {
      deps.feed.assertFresh();
      const asOf = new AsOf(deps.feed.position);
      const user = await verified(deps, { name, password, asOf }, call);
      const secret = randomBytes(32);
      const record = await deps.sessions.open({
        routeKey: routeKeyOfUser(user.name),
        kind: 'person',
        user: user.name,
        groups: user.groups,
        deviceId: '',
        app: undefined,
        amr: ['pwd'],
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

/** @throws THROTTLED, CREDENTIALS_INVALID, OVERLOADED */
async function verified(
  { limits, credentials }: LoginDeps,
  { name, password, asOf }: { name: string; password: string; asOf: AsOf },
  call: CallContext,
): Promise<User> {
  const address = addressOf(call);
  const subject = `${canonicalUser(name)}\0${address}`;
  limits.passwords.check(address);
  // Ahead of the hash, so that guesses made at once count as if made one after the other.
  limits.userPasswords.take(subject);
  let user: User | undefined;
  try {
    user = await credentials.verify(name, password, { asOf, ...held(call) });
  } catch (error) {
    limits.userPasswords.giveBack(subject);
    throw error;
  }
  if (user === undefined) {
    limits.passwords.count(address);
    throw new SallyportError('CREDENTIALS_INVALID');
  }
  limits.userPasswords.forgive(subject);
  return user;
}
