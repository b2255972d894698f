import { create, toBinary } from '@bufbuild/protobuf';
import {
  ActivationSchema,
  EnrollBodySchema,
  EnrollReplyBodySchema,
  OpenSessionBodySchema,
  OpenSessionReplyBodySchema,
  ServerKeyListSchema,
  SessionMessageBodySchema,
  SessionMessageReplyBodySchema,
} from '#gen/sallyport/channel/v1/channel_pb.js';
import { encodeEpoch } from '../../ids/epoch.ts';
import { newDeviceId, newRouteKey } from '../../ids/ids.ts';
import { mintSessionId } from '../../ids/session-id.ts';
import { encodeActivationString } from '../activation-string.ts';
import { acceptAttach, beginAttach } from '../attach.ts';
import { concat, utf8 } from '../bytes.ts';
import type { ChannelCrypto } from '../crypto.ts';
import { attestationChallenge, openEnroll, sealEnroll, sealEnrollReply } from '../enroll.ts';
import { FrameSealer } from '../frame.ts';
import type { HpkeKeyPair } from '../hpke.ts';
import { importRecipient } from '../hpke-open.ts';
import type { StreamMessage } from '../multiplex/messages.ts';
import { encodeBatch, encodeStreamMessage } from '../multiplex/stream-codec.ts';
import { nobleCrypto } from '../noble-crypto.ts';
import { oidcNonce } from '../oidc-nonce.ts';
import { agreeSession, openOpenSession, sealOpenReply, sealOpenSession } from '../open-session.ts';
import { rotatedSharedKey } from '../rotate-shared-key.ts';
import { identityDigest, signKeyList } from '../server-keys.ts';
import { type SessionMessageContext, sealSessionReply, sealSessionRequest } from '../session-message.ts';
import { fromHex, hex, type Vectors } from './form.ts';
import { messageVectors } from './message-vectors.ts';

const basePoint = Uint8Array.of(9, ...new Uint8Array(31));
const nowMs = 1_790_000_000_000n;

/** `nobleCrypto` whose randomness is SHA-256("sallyport test vectors v1" ‖ u8 count), cut to length. */
function scriptedCrypto(): ChannelCrypto {
  let count = 0;
  const randomBytes = (length: number) => {
    const block = nobleCrypto.sha256(concat(utf8('sallyport test vectors v1'), Uint8Array.of(count++)));
    return block.slice(0, length);
  };
  return {
    ...nobleCrypto,
    randomBytes,
    x25519Generate: () => {
      const secretKey = randomBytes(32);
      return { secretKey, publicKey: nobleCrypto.x25519(secretKey, basePoint) ?? new Uint8Array() };
    },
  };
}

/** The server key of the vectors is `skRm` of RFC 9180, A.2.1. */
const serverKey: HpkeKeyPair = {
  publicKey: fromHex('4310ee97d88cc1f088a5576c77ab0cf5c3ac797f3d95139c6c84b5429c59662a'),
  secretKey: fromHex('8057991eef8f1f1af18f4a9491d16a1ce333f695d4db8e38da75975c4478e0fb'),
};
const name = { suite: 1, keyId: 'k-2026-11-23' };
const app = { platform: 'android', appId: 'com.example.field', version: '1.2.0' };

/** Everything of suite 1 once through, reproducibly. */
export async function makeVectors(): Promise<Vectors> {
  const crypto = scriptedCrypto();
  const recipient = importRecipient(crypto, 1, serverKey);
  const identitySeed = crypto.randomBytes(32);
  const code = crypto.randomBytes(16);
  const keys = serverKeyVectors(crypto, identitySeed, code);

  // Enroll
  const enrollSeed = crypto.randomBytes(32);
  const enrollBody = toBinary(
    EnrollBodySchema,
    create(EnrollBodySchema, { code, app, deviceName: 'a phone' }),
  );
  const to = { ...name, publicKey: serverKey.publicKey };
  const attempt = await sealEnroll({ ...to, ephemeralSeed: enrollSeed }, enrollBody);
  const enrolled = await openEnroll(recipient, { ...name, ...attempt });
  const routeKey = newRouteKey(crypto);
  const enrollReplyBody = toBinary(
    EnrollReplyBodySchema,
    create(EnrollReplyBodySchema, {
      ...{ routeKey, deviceId: newDeviceId(crypto), user: 'ada', serverTimeMs: nowMs },
    }),
  );
  const enrollReply = sealEnrollReply(crypto, { ...enrolled, enc: attempt.enc }, enrollReplyBody);
  const { sharedKey } = enrolled;
  const enroll = {
    ...{ seed: hex(enrollSeed), plaintext: hex(enrollBody), enc: hex(attempt.enc) },
    ...{ ciphertext: hex(attempt.ciphertext), sharedKey: hex(sharedKey), replyKey: hex(enrolled.replyKey) },
    ...{ replyPlaintext: hex(enrollReplyBody), reply: hex(enrollReply) },
  };

  // OpenSession
  const openSeed = crypto.randomBytes(32);
  let openBody = '';
  const opening = await sealOpenSession(
    crypto,
    { ...to, routeKey, sharedKey, ephemeralSeed: openSeed },
    (deviceShare) => {
      const body = { timeMs: nowMs, user: 'ada', password: 'correct horse', app, deviceShare };
      const bytes = toBinary(OpenSessionBodySchema, create(OpenSessionBodySchema, body));
      openBody = hex(bytes);
      return bytes;
    },
  );
  const received = await openOpenSession(recipient, sharedKey, opening);
  const agreed = agreeSession(crypto, received, opening.share.publicKey);
  const macKey = crypto.randomBytes(32);
  const sessionId = mintSessionId(crypto, { routeKey, opener: 'sec-0', macKey });
  const openReplyBody = toBinary(
    OpenSessionReplyBodySchema,
    create(OpenSessionReplyBodySchema, {
      ...{ sessionId, expiresAtMs: nowMs + 3_600_000n, serverTimeMs: nowMs },
    }),
  );
  const openReplyKey = hex(agreed.replyKey);
  const openReply = sealOpenReply(crypto, agreed, openReplyBody);
  const { sessionKey } = agreed;
  const open = {
    ...{ seed: hex(openSeed), deviceShareSecret: hex(opening.share.secretKey), plaintext: openBody },
    ...{ enc: hex(opening.enc), ciphertext: hex(opening.ciphertext), exported: hex(opening.exported) },
    ...{ serverShare: hex(agreed.serverShare), transcript: hex(agreed.transcript) },
    ...{ sessionKey: hex(sessionKey), replyKey: openReplyKey },
    rotatedSharedKey: hex(rotatedSharedKey(crypto, sessionKey)),
    ...{ replyPlaintext: hex(openReplyBody), reply: hex(openReply) },
  };

  return {
    about: 'Suite 1 of docs/PROTOCOL.md; made by core/channel/vectors/write.ts. Bytes are in hex.',
    serverKey: {
      ...{ keyId: name.keyId, publicKey: hex(serverKey.publicKey), secretKey: hex(serverKey.secretKey) },
    },
    keys,
    enroll,
    ids: { routeKey, macKey: hex(macKey), sessionId },
    open,
    ...sessionVectors(crypto, sessionId, sessionKey),
    close: closeVectors(crypto, sessionId, sessionKey),
    messages: messageVectors(),
    stepUp: stepUpVectors(crypto, sessionId, sessionKey),
    ...proofVectors(crypto, routeKey, code),
  };
}

function serverKeyVectors(crypto: ChannelCrypto, identitySeed: Uint8Array, code: Uint8Array): Vectors {
  const list = toBinary(
    ServerKeyListSchema,
    create(ServerKeyListSchema, {
      issuedAtMs: nowMs,
      expiresAtMs: nowMs + 3_600_000n,
      suites: [1],
      keys: [
        {
          ...{ keyId: name.keyId, suite: 1, publicKey: serverKey.publicKey },
          ...{ notBeforeMs: nowMs, notAfterMs: nowMs + 86_400_000n },
        },
      ],
    }),
  );
  const signed = signKeyList(crypto, identitySeed, list);
  const digest = identityDigest(crypto, signed.identityKey);
  const activation = toBinary(
    ActivationSchema,
    create(ActivationSchema, {
      ...{ code, identityDigest: digest, edgeUrls: ['https://edge-0.example'], appId: app.appId },
    }),
  );
  return {
    ...{ identitySeed: hex(identitySeed), identityKey: hex(signed.identityKey), identityDigest: hex(digest) },
    ...{ list: hex(list), signature: hex(signed.signature), activation: hex(activation) },
    activationString: encodeActivationString(activation),
  };
}

function sessionMessageVectors(
  crypto: ChannelCrypto,
  context: SessionMessageContext,
  expiresAtMs: bigint,
  proof: { readonly pin?: string } = {},
): Vectors {
  const body = toBinary(
    SessionMessageBodySchema,
    create(SessionMessageBodySchema, { timeMs: nowMs, ...proof }),
  );
  const request = sealSessionRequest(crypto, context, body);
  const replyBody = toBinary(
    SessionMessageReplyBodySchema,
    create(SessionMessageReplyBodySchema, { expiresAtMs, serverTimeMs: nowMs }),
  );
  const reply = sealSessionReply(crypto, context, request.nonce, replyBody);
  return {
    ...{ nonce: hex(request.nonce), plaintext: hex(body), ciphertext: hex(request.ciphertext) },
    ...{ replyPlaintext: hex(replyBody), reply: hex(reply) },
  };
}

/** The PIN is 314159. */
function stepUpVectors(crypto: ChannelCrypto, sessionId: string, sessionKey: Uint8Array): Vectors {
  const context: SessionMessageContext = { kind: 'stepUp', sessionId, sessionKey };
  return sessionMessageVectors(crypto, context, nowMs, { pin: '314159' });
}

/** What a platform and an OpenID provider are asked to sign over. */
function proofVectors(crypto: ChannelCrypto, routeKey: string, code: Uint8Array): Vectors {
  const secret = crypto.randomBytes(32);
  return {
    attestation: { code: hex(code), challenge: hex(attestationChallenge(crypto, code)) },
    oidc: { secret: hex(secret), nonce: oidcNonce(crypto, routeKey, secret) },
  };
}

function closeVectors(crypto: ChannelCrypto, sessionId: string, sessionKey: Uint8Array): Vectors {
  return sessionMessageVectors(crypto, { kind: 'close', sessionId, sessionKey }, nowMs);
}

function sessionVectors(crypto: ChannelCrypto, sessionId: string, sessionKey: Uint8Array): Vectors {
  const renew = sessionMessageVectors(crypto, { kind: 'renew', sessionId, sessionKey }, nowMs + 7_200_000n);
  const epoch = encodeEpoch({ era: 1, incarnation: 2, counter: 3n });
  const begun = beginAttach(crypto, sessionKey, sessionId);
  const accepted = acceptAttach(crypto, { sessionId, sessionKey }, { ...begun, epoch, proxy: 'proxy-0' });

  const up = new FrameSealer(crypto, { sessionId, epoch, key: accepted.keys.deviceToProxy });
  const down = new FrameSealer(crypto, { sessionId, epoch, key: accepted.keys.proxyToDevice });
  const head = { method: 'GET', authority: 'intranet.example', path: '/', headers: [] };
  const message = encodeStreamMessage({ requestId: 1, kind: 'requestHead', head });
  const end = encodeStreamMessage({ requestId: 1, kind: 'end' });
  // response_head, data and end of request 1 in one frame.
  const said: StreamMessage[] = [
    { requestId: 1, kind: 'responseHead', head: { status: 200, headers: [{ name: 'etag', value: '"1"' }] } },
    { requestId: 1, kind: 'data', data: utf8('hello') },
    { requestId: 1, kind: 'end' },
  ];
  const batch = encodeBatch(said.map(encodeStreamMessage));
  const frame = (plaintext: Uint8Array, sealed: { sequence: number; ciphertext: Uint8Array }) => ({
    ...{ plaintext: hex(plaintext), sequence: sealed.sequence, ciphertext: hex(sealed.ciphertext) },
  });
  return {
    renew,
    attach: {
      ...{ epoch: hex(epoch), deviceNonce: hex(begun.deviceNonce), proof: hex(begun.proof) },
      ...{ serverNonce: hex(accepted.serverNonce), proxy: 'proxy-0' },
      confirmation: hex(accepted.confirmation),
      deviceToProxy: hex(accepted.keys.deviceToProxy),
      proxyToDevice: hex(accepted.keys.proxyToDevice),
    },
    frames: {
      request: frame(utf8('request'), up.sealRequest(utf8('request'))),
      response: frame(utf8('response'), down.sealResponse(0, utf8('response'))),
      stream0: frame(message, up.sealStream(message)),
      stream1: frame(end, up.sealStream(end)),
      batch: frame(batch, down.sealStream(batch)),
    },
  };
}
