import { concat, labelled, lp, u32, utf8, wipe } from './bytes.ts';
import { keyBytes, labels } from './constants.ts';
import type { ChannelCrypto } from './crypto.ts';

/**
 * The MAC by which a device shows that it is enrolled, where it has no session: HMAC-SHA256 under a key derived
 * from the shared key, of route key and time. Whoever sees it can repeat it for as long as the time is accepted.
 */
export function deviceProof(
  crypto: ChannelCrypto,
  sharedKey: Uint8Array,
  routeKey: string,
  timeMs: bigint,
): Uint8Array {
  const key = crypto.hkdf(new Uint8Array(0), sharedKey, utf8(labels.catalogue), keyBytes);
  const time = concat(u32(Number(timeMs >> 32n)), u32(Number(timeMs & 0xffffffffn)));
  const mac = crypto.hmac(key, labelled('proof', lp(routeKey), time));
  wipe(key);
  return mac;
}
