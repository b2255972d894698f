import { SallyportError } from '#core/errors/error.ts';
import { labelled } from './bytes.ts';
import { labels, suite1 } from './constants.ts';
import type { ChannelCrypto } from './crypto.ts';

/** The answer to GetServerKeys. */
export interface SignedKeyList {
  /** Serialised `sallyport.channel.v1.ServerKeyList`, exactly as it was signed. */
  list: Uint8Array;
  /** Ed25519, 64 bytes. */
  signature: Uint8Array;
  /** Ed25519 public key of the tier's long-term identity, 32 bytes. */
  identityKey: Uint8Array;
}

export interface OfferedKey {
  keyId: string;
  suite: number;
  publicKey: Uint8Array;
  /** Unix milliseconds. */
  notBeforeMs: number;
  /** Unix milliseconds. */
  notAfterMs: number;
}

/** What a device reads from the list after its signature was verified. */
export interface OfferedKeys {
  /** Unix milliseconds. */
  expiresAtMs: number;
  suites: readonly number[];
  keys: readonly OfferedKey[];
}

/** Suites that this code speaks, strongest first. */
export const knownSuites: readonly number[] = [suite1];

/** Signs a list of server keys with the tier's identity (a 32-byte Ed25519 seed). */
export function signKeyList(
  crypto: ChannelCrypto,
  identitySeed: Uint8Array,
  list: Uint8Array,
): SignedKeyList {
  return {
    list,
    signature: crypto.ed25519Sign(identitySeed, labelled(labels.serverKeys, list)),
    identityKey: crypto.ed25519PublicKey(identitySeed),
  };
}

/** What a device pins: SHA-256 of the identity's public key, 32 bytes. */
export function identityDigest(crypto: ChannelCrypto, identityKey: Uint8Array): Uint8Array {
  return crypto.sha256(identityKey);
}

/**
 * Checks that the pinned identity signed these very bytes; only then may the list be parsed.
 * Throws UNTRUSTED_SERVER.
 */
export function verifyKeyList(crypto: ChannelCrypto, pinnedDigest: Uint8Array, signed: SignedKeyList): void {
  if (!crypto.constantTimeEqual(identityDigest(crypto, signed.identityKey), pinnedDigest)) {
    throw new SallyportError('UNTRUSTED_SERVER', {
      message: 'the server has another identity than the one in the activation string',
    });
  }
  if (!crypto.ed25519Verify(signed.identityKey, labelled(labels.serverKeys, signed.list), signed.signature)) {
    throw new SallyportError('UNTRUSTED_SERVER', {
      message: 'the signature of the list of server keys is wrong',
    });
  }
}

/**
 * The key to seal to: of the strongest suite that both sides know, the one that lives longest.
 * `strongestSeen` is the strongest suite that this device ever used with this tier (0: none yet);
 * a list that offers less is refused. Numbers of suites rise with their strength.
 * Throws UNTRUSTED_SERVER for an expired or weakened list, UNKNOWN_SUITE when none is common,
 * UNKNOWN_SERVER_KEY when no key of the suite is valid at `nowMs` (Unix milliseconds).
 */
export function chooseServerKey(
  offered: OfferedKeys,
  device: { nowMs: number; strongestSeen: number },
): OfferedKey {
  if (device.nowMs >= offered.expiresAtMs) {
    throw new SallyportError('UNTRUSTED_SERVER', {
      message: 'the list of server keys has expired',
      hint: 'check the clock of this device; if it is right, the list that was sent is an old one',
    });
  }
  const suite = knownSuites.find((known) => offered.suites.includes(known));
  if (suite === undefined) throw new SallyportError('UNKNOWN_SUITE');
  if (suite < device.strongestSeen) {
    throw new SallyportError('UNTRUSTED_SERVER', {
      message: `the server offers suite ${suite} at most, but has used suite ${device.strongestSeen} before`,
    });
  }
  const valid = offered.keys
    .filter((key) => key.suite === suite && key.notBeforeMs <= device.nowMs && device.nowMs < key.notAfterMs)
    .sort((a, b) => b.notAfterMs - a.notAfterMs);
  const [best] = valid;
  if (best === undefined) throw new SallyportError('UNKNOWN_SERVER_KEY');
  return best;
}
