import { SallyportError } from '#core/errors/error.ts';
import { checkSessionIdMac, parseSessionId } from '#core/ids/session-id.ts';
import { channelCrypto } from '#kernel/crypto/channel-crypto.ts';
import type { Feed } from '../feed/feed.ts';
import type { SessionRecord } from './record.ts';

/**
 * Cheap, and before every look-up: whoever invents ids learns nothing and costs nothing.
 * @throws MALFORMED, SESSION_UNKNOWN
 */
export function checkMac(id: string, macKeys: readonly Uint8Array[]): void {
  if (!checkSessionIdMac(channelCrypto, parseSessionId(id), macKeys))
    throw new SallyportError('SESSION_UNKNOWN');
}

/** @throws SESSION_UNKNOWN (of another era), SESSION_REVOKED, SESSION_EXPIRED */
export function checkLive(
  record: SessionRecord,
  by: { readonly era: number; readonly feed: Pick<Feed, 'isRevoked'>; readonly now: () => number },
): void {
  if (record.era !== by.era) {
    throw new SallyportError('SESSION_UNKNOWN', { message: 'the session is of an era that is over' });
  }
  if (by.feed.isRevoked(record)) throw new SallyportError('SESSION_REVOKED');
  if (record.expiresAtMs <= by.now()) throw new SallyportError('SESSION_EXPIRED');
}
