import { utf8 } from './bytes.ts';
import { keyBytes, labels } from './constants.ts';
import type { ChannelCrypto } from './crypto.ts';

/**
 * The next shared key of an enrolment whose rotation was asked for: both sides derive it from the key of
 * the session just opened, so it never travels. The device switches to it when the reply names a higher
 * key version than its own; the tier accepts both until the new one is first used.
 */
export function rotatedSharedKey(crypto: ChannelCrypto, sessionKey: Uint8Array): Uint8Array {
  return crypto.hkdf(new Uint8Array(), sessionKey, utf8(labels.sharedKeyRotation), keyBytes);
}
