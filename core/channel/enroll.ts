import { SallyportError } from '#core/errors/error.ts';
import { labelled, lp, u16 } from './bytes.ts';
import { labels, zeroNonce } from './constants.ts';
import type { ChannelCrypto } from './crypto.ts';
import { hpkeSeal } from './hpke.ts';
import { type HpkeRecipient, hpkeOpen } from './hpke-open.ts';

/** Names the server key that a message is sealed to. */
export interface KeyName {
  suite: number;
  keyId: string;
}

/** What both sides of an enrolment hold. Plain data, so that it can be stored or cross to a worker thread. */
export interface EnrolSecrets {
  /** 32 bytes that installation and security tier share from now on; they never travel. */
  sharedKey: Uint8Array;
  /** 32 bytes; seals the one reply. */
  replyKey: Uint8Array;
}

function enrollInfo(name: KeyName): Uint8Array {
  return labelled(labels.enroll, u16(name.suite), lp(name.keyId));
}

const exports = [labels.sharedKey, labels.enrollReply];

function secretsOf(exported: readonly Uint8Array[]): EnrolSecrets {
  const [sharedKey, replyKey] = exported;
  if (!sharedKey || !replyKey) throw new SallyportError('INTERNAL');
  return { sharedKey, replyKey };
}

/**
 * Device: seals an EnrollBody to a server key. Keep the result until the reply is opened: sending
 * the same message again gets the same answer until the code expires.
 */
export async function sealEnroll(
  to: KeyName & { publicKey: Uint8Array; ephemeralSeed?: Uint8Array },
  plaintext: Uint8Array,
): Promise<{ enc: Uint8Array; ciphertext: Uint8Array } & EnrolSecrets> {
  const sealed = await hpkeSeal({ ...to, info: enrollInfo(to) }, plaintext, exports);
  return { enc: sealed.enc, ciphertext: sealed.ciphertext, ...secretsOf(sealed.exported) };
}

/** Server: opens an Enroll message. Throws UNSEALABLE. */
export async function openEnroll(
  recipient: HpkeRecipient,
  sealed: KeyName & { enc: Uint8Array; ciphertext: Uint8Array },
): Promise<{ plaintext: Uint8Array } & EnrolSecrets> {
  const opened = hpkeOpen(
    recipient,
    { enc: sealed.enc, info: enrollInfo(sealed) },
    sealed.ciphertext,
    exports,
  );
  return { plaintext: opened.plaintext, ...secretsOf(opened.exported) };
}

/** What a platform is to attest an app for: new with each activation code, which it does not tell. 32 bytes. */
export const attestationChallenge = (crypto: Pick<ChannelCrypto, 'sha256'>, code: Uint8Array): Uint8Array =>
  crypto.sha256(labelled(labels.attestation, code));

function replyAad(enc: Uint8Array): Uint8Array {
  return labelled(labels.enrollReply, enc);
}

/**
 * Server: seals the EnrollReplyBody. The reply key seals ONE message: store the bytes in the
 * transaction that consumes the code and repeat those, never seal a second reply that may be sent.
 */
export function sealEnrollReply(
  crypto: ChannelCrypto,
  to: { replyKey: Uint8Array; enc: Uint8Array },
  plaintext: Uint8Array,
): Uint8Array {
  return crypto.aead.seal(to.replyKey, zeroNonce, replyAad(to.enc), plaintext);
}

/** Device: opens the reply. Throws UNTRUSTED_SERVER: only the tier could have sealed it. */
export function openEnrollReply(
  crypto: ChannelCrypto,
  mine: { replyKey: Uint8Array; enc: Uint8Array },
  ciphertext: Uint8Array,
): Uint8Array {
  const plaintext = crypto.aead.open(mine.replyKey, zeroNonce, replyAad(mine.enc), ciphertext);
  if (plaintext === null) throw new SallyportError('UNTRUSTED_SERVER');
  return plaintext;
}
