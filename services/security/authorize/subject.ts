import { SallyportError } from '#core/errors/error.ts';
import type { Jwk } from '#kernel/crypto/assertion.ts';
import { sessionOfToken } from '../session/people-token.ts';
import type { SessionRecord } from '../session/record.ts';
import type { SessionOwner } from '../session/session-owner.ts';
import { VerifiedAssertions } from './verified-assertions.ts';

export interface SubjectDeps {
  readonly sessions: Pick<SessionOwner, 'get' | 'byHandle'>;
  readonly jwks: () => { readonly keys: readonly Jwk[] };
  /** Database time. */
  readonly now: () => number;
}

/** Finds the session behind what a caller shows: an assertion or a person's token, never a bare session id. */
export interface Subjects {
  /** @throws TOKEN_INVALID, STALE, UNAVAILABLE */
  ofAssertion(jwt: string): Promise<SessionRecord>;
  /** @throws TOKEN_INVALID, STALE, UNAVAILABLE */
  ofToken(token: string): Promise<SessionRecord>;
  /** Either of the two: a token has a `~`, which no JWT has. */
  ofBearer(text: string): Promise<SessionRecord>;
}

export function subjects(deps: SubjectDeps): Subjects {
  const verified = new VerifiedAssertions(deps);
  const ofAssertion = async (jwt: string): Promise<SessionRecord> => {
    const claims = await verified.claimsOf(jwt);
    try {
      return await deps.sessions.byHandle(claims.sid);
    } catch (error) {
      // The session of a valid assertion has ended meanwhile.
      if (SallyportError.from(error).status !== 'UNAUTHENTICATED') throw error;
      throw new SallyportError('TOKEN_INVALID', { cause: error });
    }
  };
  const ofToken = (token: string): Promise<SessionRecord> => sessionOfToken(deps.sessions, token);
  return {
    ofAssertion,
    ofToken,
    ofBearer: (text) => (text.includes('~') ? ofToken(text) : ofAssertion(text)),
  };
}
