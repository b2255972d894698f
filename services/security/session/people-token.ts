import { createHash, timingSafeEqual } from 'node:crypto';
import { SallyportError } from '#core/errors/error.ts';
import { decodeBase64url, encodeBase64url } from '#core/ids/base64url.ts';
import type { CallContext } from '#kernel/rpc/handlers.ts';
import type { SessionRecord } from './record.ts';
import type { Sessions } from './sessions.ts';

/**
 * A person's bearer token: `<session id>~<32 random bytes>`. The id alone opens nothing; of the secret
 * only the SHA-256 is kept, as the session's key.
 */
export function tokenFor(sessionId: string, secret: Uint8Array): string {
  return `${sessionId}~${encodeBase64url(secret)}`;
}

/** The token of `authorization: Bearer …`. @throws TOKEN_INVALID */
export function bearerToken(call: Pick<CallContext, 'header'>): string {
  const token = /^Bearer +(\S+)$/i.exec(call.header('authorization') ?? '')?.[1];
  if (token === undefined) {
    throw new SallyportError('TOKEN_INVALID', { message: 'the call carries no bearer token' });
  }
  return token;
}

/** @throws TOKEN_INVALID, whatever it is that is wrong with it; STALE, DEADLINE and the like when nobody can tell now */
export async function sessionOfToken(sessions: Pick<Sessions, 'get'>, token: string): Promise<SessionRecord> {
  const [, id = '', secret = ''] = /^([^~]{1,160})~([\w-]{43})$/.exec(token) ?? [];
  const bytes = decodeBase64url(secret);
  if (bytes?.length !== 32) throw new SallyportError('TOKEN_INVALID');
  let record: SessionRecord;
  try {
    record = await sessions.get(id);
  } catch (error) {
    const { status } = SallyportError.from(error);
    // Whoever cannot be told from a stranger at present is not logged out for it.
    if (status !== 'UNAUTHENTICATED' && status !== 'INVALID_ARGUMENT') throw error;
    throw new SallyportError('TOKEN_INVALID', { cause: error });
  }
  const digest = createHash('sha256').update(bytes).digest();
  if (record.kind !== 'person' || !timingSafeEqual(digest, record.sessionKey)) {
    throw new SallyportError('TOKEN_INVALID');
  }
  return record;
}
