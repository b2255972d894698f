import { SallyportError } from '#core/errors/error.ts';
import { concat, lp, utf8, wipe } from './bytes.ts';
import { keyBytes, labels, zeroNonce } from './constants.ts';
import type { ChannelCrypto } from './crypto.ts';

/** RenewSession, CloseSession or StepUp. */
export type SessionMessageKind = 'renew' | 'close' | 'stepUp';

/** What a message belongs to. */
export interface SessionMessageContext {
  kind: SessionMessageKind;
  sessionId: string;
  sessionKey: Uint8Array;
}

/** A sealed request as it travels. */
export interface SessionRequest {
  /** 32 random bytes; every message has its own key. */
  nonce: Uint8Array;
  ciphertext: Uint8Array;
}

const nonceBytes = 32;

function withKey<T>(
  crypto: ChannelCrypto,
  context: SessionMessageContext,
  salt: Uint8Array,
  direction: 'request' | 'reply',
  use: (key: Uint8Array, aad: Uint8Array) => T,
): T {
  const info = utf8(`${labels[context.kind]} ${direction}`);
  const key = crypto.hkdf(salt, context.sessionKey, info, keyBytes);
  const result = use(key, lp(context.sessionId));
  wipe(key);
  return result;
}

/** Device: seals a SessionMessageBody. */
export function sealSessionRequest(
  crypto: ChannelCrypto,
  context: SessionMessageContext,
  plaintext: Uint8Array,
): SessionRequest {
  const nonce = crypto.randomBytes(nonceBytes);
  const ciphertext = withKey(crypto, context, nonce, 'request', (key, aad) =>
    crypto.aead.seal(key, zeroNonce, aad, plaintext),
  );
  return { nonce, ciphertext };
}

/** Server: opens a request. Throws UNSEALABLE. A repeated request opens again: check the time inside. */
export function openSessionRequest(
  crypto: ChannelCrypto,
  context: SessionMessageContext,
  request: SessionRequest,
): Uint8Array {
  const plaintext =
    request.nonce.length === nonceBytes
      ? withKey(crypto, context, request.nonce, 'request', (key, aad) =>
          crypto.aead.open(key, zeroNonce, aad, request.ciphertext),
        )
      : null;
  if (plaintext === null) throw new SallyportError('UNSEALABLE');
  return plaintext;
}

/**
 * Server: seals the reply to the request with this nonce. The reply begins with 32 random bytes of
 * its own, which are part of its key: a request that somebody repeats is answered again, perhaps by
 * another pod and with other words, and no key may ever seal two of those answers.
 */
export function sealSessionReply(
  crypto: ChannelCrypto,
  context: SessionMessageContext,
  requestNonce: Uint8Array,
  plaintext: Uint8Array,
): Uint8Array {
  const replyNonce = crypto.randomBytes(nonceBytes);
  const ciphertext = withKey(crypto, context, concat(requestNonce, replyNonce), 'reply', (key, aad) =>
    crypto.aead.seal(key, zeroNonce, aad, plaintext),
  );
  return concat(replyNonce, ciphertext);
}

/** Device: opens the reply to its request. Throws UNTRUSTED_SERVER. */
export function openSessionReply(
  crypto: ChannelCrypto,
  context: SessionMessageContext,
  requestNonce: Uint8Array,
  reply: Uint8Array,
): Uint8Array {
  const salt = concat(requestNonce, reply.subarray(0, nonceBytes));
  const plaintext = withKey(crypto, context, salt, 'reply', (key, aad) =>
    crypto.aead.open(key, zeroNonce, aad, reply.subarray(nonceBytes)),
  );
  if (plaintext === null) throw new SallyportError('UNTRUSTED_SERVER');
  return plaintext;
}
