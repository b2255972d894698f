import { createHash, randomBytes } from 'node:crypto';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { SallyportError } from '#core/errors/error.ts';
import { encodeBase64url } from '#core/ids/base64url.ts';
import type { SessionService } from '#gen/sallyport/session/v1/session_pb.js';
import type { Handlers } from '#kernel/rpc/handlers.ts';
import type { Clock } from '#kernel/time/clock.ts';
import type { Credentials } from '../directory/credentials.ts';
import { canonicalUser } from '../directory/users.ts';
import type { Feed } from '../feed/feed.ts';
import type { Throttle } from '../throttle/throttle.ts';
import { bearerToken, sessionOfToken, tokenFor } from './people-token.ts';
import type { Sessions } from './sessions.ts';

export interface LoginDeps {
  readonly credentials: Credentials;
  readonly sessions: Sessions;
  readonly feed: Pick<Feed, 'position' | 'assertFresh'>;
  readonly clock: Clock;
  readonly lifetimeMs: number;
  /** Wrong passwords, per user and address together: a stranger elsewhere locks nobody out. */
  readonly failures: Throttle;
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
      const subject = `${canonicalUser(name)}\0${call.remoteAddress ?? call.caller.pod}`;
      deps.failures.check(subject);
      deps.feed.assertFresh();
      const feedPosition = deps.feed.position;
      const user = await deps.credentials.verify(name, password, call.signal);
      if (user === undefined) {
        deps.failures.count(subject);
        throw new SallyportError('CREDENTIALS_INVALID');
      }
      deps.failures.forgive(subject);
      const secret = randomBytes(32);
      const record = await deps.sessions.open({
        routeKey: routeKeyOfUser(user.name),
        kind: 'person',
        user: user.name,
        groups: user.groups,
        deviceId: '',
        app: undefined,
        feedPosition,
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
      await deps.sessions.end(record, 'logged out', 'COMMITTED');
      return {};
    },
  };
}
