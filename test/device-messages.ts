/** The messages of a device one by one, so that a test can repeat, change and misdirect them. */
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { openEnrollReply, sealEnroll } from '#core/channel/enroll.ts';
import { completeSession, type OpenAttempt, sealOpenSession } from '#core/channel/open-session.ts';
import {
  openSessionReply,
  type SessionMessageContext,
  type SessionMessageKind,
  sealSessionRequest,
} from '#core/channel/session-message.ts';
import {
  EnrollBodySchema,
  EnrollReplyBodySchema,
  OpenSessionBodySchema,
  OpenSessionReplyBodySchema,
  type ServerKey,
  ServerKeyListSchema,
  SessionMessageBodySchema,
  SessionMessageReplyBodySchema,
} from '#gen/sallyport/channel/v1/channel_pb.js';
import type { GetServerKeysResponse } from '#gen/sallyport/keystore/v1/key_store_pb.js';
import { channelCrypto } from '#kernel/crypto/channel-crypto.ts';
import type { OpenIdCredential } from '#sdk/oidc.ts';
import type { StepUpProof } from '#sdk/session.ts';

export const testApp = {
  platform: 'android',
  appId: 'com.example.field',
  version: '1.3.0',
  osVersion: '15',
};

/** An enrolment as the device keeps it. */
export interface Enrolled {
  readonly routeKey: string;
  readonly deviceId: string;
  readonly user: string;
  readonly sharedKey: Uint8Array;
}

export function newestKey(answer: Pick<GetServerKeysResponse, 'keyList'>): ServerKey {
  const [key] = fromBinary(ServerKeyListSchema, answer.keyList).keys;
  if (key === undefined) throw new Error('no server key is offered');
  return key;
}

export async function enrolMessage(
  key: ServerKey,
  code: Uint8Array,
  appId = testApp.appId,
  attestation?: { readonly format: string; readonly data: Uint8Array[] },
) {
  const body = create(EnrollBodySchema, {
    ...{ code, app: { ...testApp, appId }, deviceName: 'test' },
    ...(attestation && { attestation }),
  });
  const secrets = await sealEnroll(key, toBinary(EnrollBodySchema, body));
  const { enc, ciphertext } = secrets;
  return {
    request: { sealed: { suite: key.suite, keyId: key.keyId, enc, ciphertext } },
    read: (reply: { ciphertext: Uint8Array }): Enrolled => {
      const plaintext = openEnrollReply(channelCrypto, secrets, reply.ciphertext);
      const { routeKey, deviceId, user } = fromBinary(EnrollReplyBodySchema, plaintext);
      return { routeKey, deviceId, user, sharedKey: secrets.sharedKey };
    },
  };
}

export interface OpenWords {
  readonly user: string;
  readonly password?: string;
  readonly pin?: string;
  readonly newPin?: string;
  readonly openId?: OpenIdCredential;
  readonly appId?: string;
  /** What else the app says of itself. */
  readonly app?: {
    readonly version?: string;
    readonly certDigest?: Uint8Array;
    readonly posture?: Record<string, string>;
  };
  /** Default: this machine's time. */
  readonly timeMs?: number;
}

export async function openMessage(
  key: ServerKey,
  enrolled: Pick<Enrolled, 'routeKey' | 'sharedKey'>,
  words: OpenWords,
) {
  const { user, password = '', pin = '', newPin = '', openId } = words;
  const { appId = testApp.appId, timeMs = Date.now() } = words;
  const { routeKey, sharedKey } = enrolled;
  const attempt: OpenAttempt = await sealOpenSession(
    channelCrypto,
    { ...key, routeKey, sharedKey },
    (deviceShare) => {
      const app = { ...testApp, appId, ...words.app };
      const body = create(OpenSessionBodySchema, {
        ...{ timeMs: BigInt(timeMs), user, password, app, deviceShare, pin, newPin },
        ...(openId && { openId }),
      });
      return toBinary(OpenSessionBodySchema, body);
    },
  );
  const { suite, keyId, enc, ciphertext } = attempt;
  return {
    request: { routeKey, sealed: { suite, keyId, enc, ciphertext } },
    read: (answer: { serverShare: Uint8Array; ciphertext: Uint8Array }) => {
      const { sessionKey, plaintext } = completeSession(channelCrypto, attempt, answer);
      const { sessionId, sharedKeyVersion } = fromBinary(OpenSessionReplyBodySchema, plaintext);
      return { id: sessionId, key: sessionKey, sharedKeyVersion };
    },
  };
}

/** RenewSession or CloseSession. */
export function sessionMessage(
  kind: SessionMessageKind,
  session: { readonly id: string; readonly key: Uint8Array },
  timeMs = Date.now(),
  proof: StepUpProof = {},
) {
  const context: SessionMessageContext = { kind, sessionId: session.id, sessionKey: session.key };
  const body = create(SessionMessageBodySchema, { timeMs: BigInt(timeMs), ...proof });
  const { nonce, ciphertext } = sealSessionRequest(
    channelCrypto,
    context,
    toBinary(SessionMessageBodySchema, body),
  );
  return {
    request: { sealed: { sessionId: session.id, nonce, ciphertext } },
    read: (answer: { ciphertext: Uint8Array }): { expiresAtMs: number } => {
      const plaintext = openSessionReply(channelCrypto, context, nonce, answer.ciphertext);
      return { expiresAtMs: Number(fromBinary(SessionMessageReplyBodySchema, plaintext).expiresAtMs) };
    },
  };
}
