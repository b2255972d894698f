import { SallyportError } from '#core/errors/error.ts';
import { concat, labelled, lp, utf8, wipe } from './bytes.ts';
import { epochBytes, keyBytes, labels } from './constants.ts';
import type { ChannelCrypto } from './crypto.ts';

/** What a device sends to begin an attachment. */
export interface AttachProof {
  /** 32 random bytes. */
  deviceNonce: Uint8Array;
  /** 32 bytes under the session key. */
  proof: Uint8Array;
}

/** What distinguishes one attachment from every other. */
export interface AttachPoint {
  /** 16 encoded bytes; never given twice. */
  epoch: Uint8Array;
  deviceNonce: Uint8Array;
  /** 32 random bytes of the security pod. */
  serverNonce: Uint8Array;
  /** Name of the proxy pod. */
  proxy: string;
}

/** The keys of one epoch, 32 bytes each. */
export interface TrafficKeys {
  deviceToProxy: Uint8Array;
  proxyToDevice: Uint8Array;
}

function withAttachKey<T>(crypto: ChannelCrypto, sessionKey: Uint8Array, use: (key: Uint8Array) => T): T {
  const key = crypto.hkdf(new Uint8Array(), sessionKey, utf8(labels.attach), keyBytes);
  const result = use(key);
  wipe(key);
  return result;
}

function proofOf(
  crypto: ChannelCrypto,
  sessionKey: Uint8Array,
  sessionId: string,
  nonce: Uint8Array,
): Uint8Array {
  const message = labelled('proof', lp(sessionId), nonce);
  return withAttachKey(crypto, sessionKey, (key) => crypto.hmac(key, message));
}

function confirmationOf(
  crypto: ChannelCrypto,
  sessionKey: Uint8Array,
  sessionId: string,
  at: AttachPoint,
): Uint8Array {
  const message = labelled('confirm', lp(sessionId), at.epoch, at.deviceNonce, at.serverNonce, lp(at.proxy));
  return withAttachKey(crypto, sessionKey, (key) => crypto.hmac(key, message));
}

function trafficKeys(crypto: ChannelCrypto, sessionKey: Uint8Array, at: AttachPoint): TrafficKeys {
  const salt = concat(at.epoch, at.deviceNonce, at.serverNonce);
  const derive = (label: string) => crypto.hkdf(salt, sessionKey, labelled(label, lp(at.proxy)), keyBytes);
  return { deviceToProxy: derive(labels.trafficToProxy), proxyToDevice: derive(labels.trafficToDevice) };
}

/** Device: proves possession of the session key, with a fresh nonce. */
export function beginAttach(crypto: ChannelCrypto, sessionKey: Uint8Array, sessionId: string): AttachProof {
  const deviceNonce = crypto.randomBytes(keyBytes);
  return { deviceNonce, proof: proofOf(crypto, sessionKey, sessionId, deviceNonce) };
}

/**
 * Security tier: verifies the proof and makes the keys of a new epoch for that proxy.
 * `epoch` (16 bytes) must be new. Throws ATTACH_PROOF_INVALID.
 */
export function acceptAttach(
  crypto: ChannelCrypto,
  session: { sessionId: string; sessionKey: Uint8Array },
  attach: AttachProof & { epoch: Uint8Array; proxy: string },
): { serverNonce: Uint8Array; keys: TrafficKeys; confirmation: Uint8Array } {
  const { sessionId, sessionKey } = session;
  const expected = proofOf(crypto, sessionKey, sessionId, attach.deviceNonce);
  if (attach.deviceNonce.length !== keyBytes || !crypto.constantTimeEqual(expected, attach.proof)) {
    throw new SallyportError('ATTACH_PROOF_INVALID');
  }
  if (attach.epoch.length !== epochBytes) throw new SallyportError('INTERNAL', { message: 'bad epoch' });
  const serverNonce = crypto.randomBytes(keyBytes);
  const at = { epoch: attach.epoch, deviceNonce: attach.deviceNonce, serverNonce, proxy: attach.proxy };
  return {
    serverNonce,
    keys: trafficKeys(crypto, sessionKey, at),
    confirmation: confirmationOf(crypto, sessionKey, sessionId, at),
  };
}

/**
 * Device: checks that the security tier made this attachment, for this proxy, and derives its keys.
 * Throws UNTRUSTED_SERVER.
 */
export function completeAttach(
  crypto: ChannelCrypto,
  session: { sessionId: string; sessionKey: Uint8Array },
  reply: AttachPoint & { confirmation: Uint8Array },
): TrafficKeys {
  const { sessionId, sessionKey } = session;
  const expected = confirmationOf(crypto, sessionKey, sessionId, reply);
  const shaped = reply.epoch.length === epochBytes && reply.serverNonce.length === keyBytes;
  if (!shaped || !crypto.constantTimeEqual(expected, reply.confirmation)) {
    throw new SallyportError('UNTRUSTED_SERVER');
  }
  return trafficKeys(crypto, sessionKey, reply);
}
