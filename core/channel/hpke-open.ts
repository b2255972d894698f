/**
 * The receiver's half of HPKE (RFC 9180) for suite 1: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, ChaCha20-Poly1305; base
 * mode and PSK mode, one message, no associated data. On the primitives of `ChannelCrypto`, which servers have from
 * libsodium: by WebCrypto, as in hpke.ts, each of the some fifteen steps is a job for a thread pool, where it stands in
 * line behind password hashes, and costs more than what it does.
 */
import { SallyportError } from '#core/errors/error.ts';
import { concat, u16, utf8, wipe } from './bytes.ts';
import { aeadNonceBytes, keyBytes, suite1 } from './constants.ts';
import type { ChannelCrypto } from './crypto.ts';
import type { HpkeKeyPair, HpkeOpened, HpkePsk } from './hpke.ts';

/** A server key and what opens messages with it. Secret. */
export interface HpkeRecipient {
  readonly crypto: ChannelCrypto;
  readonly suite: number;
  readonly keys: HpkeKeyPair;
}

/** Makes a server key ready to open messages. Throws UNKNOWN_SUITE, and MALFORMED for a damaged key. */
export function importRecipient(crypto: ChannelCrypto, suite: number, keys: HpkeKeyPair): HpkeRecipient {
  if (suite !== suite1) throw new SallyportError('UNKNOWN_SUITE');
  if (keys.publicKey.length !== keyBytes || keys.secretKey.length !== keyBytes) {
    throw new SallyportError('MALFORMED', { message: 'this is not an HPKE key pair' });
  }
  return { crypto, suite, keys };
}

/** Opens one message. Throws UNSEALABLE, whatever it was that did not fit. */
export function hpkeOpen(
  recipient: HpkeRecipient,
  sealed: { enc: Uint8Array; info: Uint8Array; psk?: HpkePsk },
  ciphertext: Uint8Array,
  exports: readonly string[],
): HpkeOpened {
  const { crypto } = recipient;
  const { info, psk } = sealed;
  // RFC 9180, section 9.5: a psk has the entropy of a key.
  const usable = psk === undefined || psk.key.length >= keyBytes;
  const shared = usable ? decap(recipient, sealed.enc) : undefined;
  if (shared === undefined) throw new SallyportError('UNSEALABLE');
  const { extract, expand } = labelledHkdf(crypto, suiteId);
  // KeySchedule, section 5.1.
  const context = concat(
    psk === undefined ? modes.base : modes.psk,
    extract(empty, 'psk_id_hash', psk?.id ?? empty),
    extract(empty, 'info_hash', info),
  );
  const secret = extract(shared, 'secret', psk?.key ?? empty);
  const key = expand(secret, 'key', context, keyBytes);
  const exporter = expand(secret, 'exp', context, keyBytes);
  // Of the first message, whose sequence number is 0.
  const nonce = expand(secret, 'base_nonce', context, aeadNonceBytes);
  try {
    const plaintext = crypto.aead.open(key, nonce, empty, ciphertext);
    if (plaintext === null) throw new SallyportError('UNSEALABLE');
    return { plaintext, exported: exports.map((name) => expand(exporter, 'sec', utf8(name), keyBytes)) };
  } finally {
    wipe(shared, secret, key, exporter);
  }
}

/** Section 4.1; undefined for an encapsulated key that cannot be used. */
function decap({ crypto, keys }: HpkeRecipient, enc: Uint8Array): Uint8Array | undefined {
  const dh = enc.length === keyBytes ? crypto.x25519(keys.secretKey, enc) : null;
  if (dh === null) return undefined;
  const { extract, expand } = labelledHkdf(crypto, kemSuiteId);
  const prk = extract(empty, 'eae_prk', dh);
  const shared = expand(prk, 'shared_secret', concat(enc, keys.publicKey), keyBytes);
  wipe(dh, prk);
  return shared;
}

/** LabeledExtract and LabeledExpand of section 4; RFC 5869, of which no more than one block is needed here. */
function labelledHkdf({ hmac }: ChannelCrypto, id: Uint8Array) {
  return {
    extract: (salt: Uint8Array, label: string, ikm: Uint8Array): Uint8Array =>
      hmac(salt, concat(version, id, utf8(label), ikm)),
    expand: (prk: Uint8Array, label: string, info: Uint8Array, length: number): Uint8Array =>
      hmac(prk, concat(u16(length), version, id, utf8(label), info, firstBlock)).slice(0, length),
  };
}

const empty = new Uint8Array(0);
const version = utf8('HPKE-v1');
const firstBlock = new Uint8Array([1]);
/** Section 7: KEM 0x0020, KDF 0x0001, AEAD 0x0003. */
const kemSuiteId = concat(utf8('KEM'), u16(0x0020));
const suiteId = concat(utf8('HPKE'), u16(0x0020), u16(0x0001), u16(0x0003));
/** Section 5. */
const modes = { base: new Uint8Array([0]), psk: new Uint8Array([1]) } as const;
