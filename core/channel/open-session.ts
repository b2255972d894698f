import { SallyportError } from '#core/errors/error.ts';
import { concat, labelled, lp, u16, utf8, wipe } from './bytes.ts';
import { keyBytes, labels, zeroNonce } from './constants.ts';
import type { ChannelCrypto, X25519KeyPair } from './crypto.ts';
import type { KeyName } from './enroll.ts';
import { type HpkePsk, hpkeSeal } from './hpke.ts';
import { type HpkeRecipient, hpkeOpen } from './hpke-open.ts';

/** The parts of an OpenSession message that both sides see. */
export interface OpenMessage extends KeyName {
  /** Also the psk_id; must equal the header that Envoy hashed. */
  routeKey: string;
  enc: Uint8Array;
  ciphertext: Uint8Array;
}

/** What the device keeps until the reply is there. Secret; plain data. */
export interface OpenAttempt extends OpenMessage {
  /** HPKE export, 32 bytes. */
  exported: Uint8Array;
  share: X25519KeyPair;
}

/** What the server holds after opening the message. Secret; plain data. */
export interface OpenReceived extends OpenMessage {
  exported: Uint8Array;
  /** Serialised OpenSessionBody. */
  plaintext: Uint8Array;
}

/** The server's side of the agreement. `replyKey` seals one reply. Secret; plain data. */
export interface OpenAgreed {
  sessionKey: Uint8Array;
  replyKey: Uint8Array;
  transcript: Uint8Array;
  /** The server's ephemeral public key, for the reply. */
  serverShare: Uint8Array;
}

function openInfo(name: KeyName): Uint8Array {
  return labelled(labels.open, u16(name.suite), lp(name.keyId));
}

function pskOf(sharedKey: Uint8Array, routeKey: string): HpkePsk {
  return { key: sharedKey, id: utf8(routeKey) };
}

function exportOf(exported: readonly Uint8Array[]): Uint8Array {
  const [secret] = exported;
  if (!secret) throw new SallyportError('INTERNAL');
  return secret;
}

/**
 * Device: seals an OpenSessionBody, which must carry the device's ephemeral share; `encode`
 * makes the body from it. Sending the same message again gets the same answer for 5 minutes.
 */
export async function sealOpenSession(
  crypto: ChannelCrypto,
  to: KeyName & {
    publicKey: Uint8Array;
    routeKey: string;
    sharedKey: Uint8Array;
    ephemeralSeed?: Uint8Array;
  },
  encode: (deviceShare: Uint8Array) => Uint8Array,
): Promise<OpenAttempt> {
  const share = crypto.x25519Generate();
  const plaintext = encode(share.publicKey);
  const { sharedKey, ...target } = to;
  const sealed = await hpkeSeal(
    { ...target, info: openInfo(to), psk: pskOf(sharedKey, to.routeKey) },
    plaintext,
    [labels.session],
  );
  // It holds the user's password.
  wipe(plaintext);
  return {
    suite: to.suite,
    keyId: to.keyId,
    routeKey: to.routeKey,
    enc: sealed.enc,
    ciphertext: sealed.ciphertext,
    exported: exportOf(sealed.exported),
    share,
  };
}

/** Server: opens an OpenSession message under the enrolment's shared key. Throws UNSEALABLE. */
export async function openOpenSession(
  recipient: HpkeRecipient,
  sharedKey: Uint8Array,
  message: OpenMessage,
): Promise<OpenReceived> {
  const { suite, keyId, routeKey, enc, ciphertext } = message;
  const opened = hpkeOpen(
    recipient,
    { enc, info: openInfo(message), psk: pskOf(sharedKey, routeKey) },
    ciphertext,
    [labels.session],
  );
  return {
    ...{ suite, keyId, routeKey, enc, ciphertext },
    exported: exportOf(opened.exported),
    plaintext: opened.plaintext,
  };
}

/** Everything both sides saw, in 32 bytes. */
function transcriptOf(crypto: ChannelCrypto, message: OpenMessage, serverShare: Uint8Array): Uint8Array {
  return crypto.sha256(
    labelled(
      labels.openTranscript,
      u16(message.suite),
      lp(message.keyId),
      lp(message.enc),
      lp(message.routeKey),
      lp(message.ciphertext),
      lp(serverShare),
    ),
  );
}

function agree(
  crypto: ChannelCrypto,
  message: OpenMessage & { exported: Uint8Array },
  mine: Uint8Array,
  theirs: Uint8Array,
  serverShare: Uint8Array,
): Omit<OpenAgreed, 'serverShare'> | undefined {
  const shared = crypto.x25519(mine, theirs);
  if (shared === null) return undefined;
  const transcript = transcriptOf(crypto, message, serverShare);
  const ikm = concat(message.exported, shared);
  const derive = (label: string) => crypto.hkdf(transcript, ikm, utf8(label), keyBytes);
  const agreed = { sessionKey: derive(labels.sessionKey), replyKey: derive(labels.openReply), transcript };
  wipe(shared, ikm);
  return agreed;
}

/**
 * Server: agrees the session key with the device's share (from the opened body).
 * Every call makes a new share and new keys, so a repeated message needs the stored reply.
 * Throws MALFORMED for a share that cannot be used.
 */
export function agreeSession(
  crypto: ChannelCrypto,
  received: OpenReceived,
  deviceShare: Uint8Array,
): OpenAgreed {
  const mine = crypto.x25519Generate();
  const agreed = agree(crypto, received, mine.secretKey, deviceShare, mine.publicKey);
  wipe(mine.secretKey);
  if (!agreed)
    throw new SallyportError('MALFORMED', { message: "the device's ephemeral share is not valid" });
  return { ...agreed, serverShare: mine.publicKey };
}

/** Server: seals the OpenSessionReplyBody, and wipes the reply key so that it cannot seal a second one. */
export function sealOpenReply(crypto: ChannelCrypto, agreed: OpenAgreed, plaintext: Uint8Array): Uint8Array {
  if (agreed.replyKey.every((byte) => byte === 0)) {
    throw new SallyportError('INTERNAL', { message: 'an OpenSession reply is sealed once only' });
  }
  const sealed = crypto.aead.seal(agreed.replyKey, zeroNonce, agreed.transcript, plaintext);
  wipe(agreed.replyKey);
  return sealed;
}

/**
 * Device: derives the session key and opens the reply, which confirms the key.
 * Throws UNTRUSTED_SERVER when the answerer does not know both server key and shared key.
 */
export function completeSession(
  crypto: ChannelCrypto,
  attempt: OpenAttempt,
  reply: { serverShare: Uint8Array; ciphertext: Uint8Array },
): { sessionKey: Uint8Array; plaintext: Uint8Array } {
  const agreed = agree(crypto, attempt, attempt.share.secretKey, reply.serverShare, reply.serverShare);
  const plaintext =
    agreed && crypto.aead.open(agreed.replyKey, zeroNonce, agreed.transcript, reply.ciphertext);
  if (!agreed || !plaintext) throw new SallyportError('UNTRUSTED_SERVER');
  wipe(agreed.replyKey);
  return { sessionKey: agreed.sessionKey, plaintext };
}
