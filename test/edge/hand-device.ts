/**
 * A device by hand: it makes each message of docs/PROTOCOL.md from core/channel and leaves the sending to
 * the test, which may spoil it before.
 */
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { decodeActivationString } from '#core/channel/activation-string.ts';
import { openEnrollReply, sealEnroll } from '#core/channel/enroll.ts';
import { completeSession, type OpenAttempt, sealOpenSession } from '#core/channel/open-session.ts';
import {
  ActivationSchema,
  EnrollBodySchema,
  EnrollReplyBodySchema,
  OpenSessionBodySchema,
  OpenSessionReplyBodySchema,
  type ServerKey,
  ServerKeyListSchema,
} from '#gen/sallyport/channel/v1/channel_pb.js';
import { GetServerKeysResponseSchema } from '#gen/sallyport/keystore/v1/key_store_pb.js';
import {
  type EnrollRequest,
  EnrollRequestSchema,
  EnrollResponseSchema,
  type OpenSessionRequest,
  OpenSessionRequestSchema,
  OpenSessionResponseSchema,
} from '#gen/sallyport/session/v1/session_pb.js';
import { channelCrypto } from '#kernel/crypto/channel-crypto.ts';
import type { Answer } from './answer.ts';
import type { EdgeCaller } from './edge-caller.ts';
import { HandSession } from './hand-session.ts';

export const sessionService = '/sallyport.session.v1.SessionService';
export const keyStore = '/sallyport.keystore.v1.KeyStore';

export interface App {
  readonly platform: string;
  readonly appId: string;
  readonly version: string;
}

export const app: App = { platform: 'linux', appId: 'com.example.field', version: '1.2.0' };

/** What a call about a session or an enrolment is routed by. */
export const routed = (routeKey: string) => ({ headers: { 'x-sallyport-route': routeKey } });

/** The one message of an answer that is to be a good one. */
export function goodMessage(answer: Answer): Uint8Array {
  const [message] = answer.messages;
  if (answer.code === 'OK' && message !== undefined) return message;
  throw new Error(`not a good answer: ${answer.httpStatus} ${answer.code} ${answer.reason}: ${answer.text}`);
}

export async function serverKey(caller: EdgeCaller): Promise<ServerKey> {
  const answer = await caller.call(`${keyStore}/GetServerKeys`, new Uint8Array());
  const { keyList } = fromBinary(GetServerKeysResponseSchema, goodMessage(answer));
  const [key] = fromBinary(ServerKeyListSchema, keyList).keys;
  if (key === undefined) throw new Error('no server key is offered');
  return key;
}

export const codeOf = (activation: string): Uint8Array =>
  fromBinary(ActivationSchema, decodeActivationString(activation)).code;

/** A sealed enrolment, and what opens its answer. */
export interface Enrolling {
  readonly request: EnrollRequest;
  readonly secrets: Awaited<ReturnType<typeof sealEnroll>>;
}

export async function enrolling(
  key: ServerKey,
  body: { code: Uint8Array; app?: App; deviceName?: string } | Uint8Array,
): Promise<Enrolling> {
  const plaintext =
    body instanceof Uint8Array
      ? body
      : toBinary(EnrollBodySchema, create(EnrollBodySchema, { app, deviceName: 'by hand', ...body }));
  const secrets = await sealEnroll(key, plaintext);
  const { suite, keyId } = key;
  const { enc, ciphertext } = secrets;
  return { request: create(EnrollRequestSchema, { sealed: { suite, keyId, enc, ciphertext } }), secrets };
}

export const sendEnroll = (caller: EdgeCaller, request: EnrollRequest): Promise<Answer> =>
  caller.call(`${sessionService}/Enroll`, toBinary(EnrollRequestSchema, request));

/** A sealed OpenSession, and what opens its answer. */
export interface Opening {
  readonly request: OpenSessionRequest;
  readonly attempt: OpenAttempt;
}

export interface OpenFields {
  readonly timeMs?: bigint;
  readonly user?: string;
  readonly password?: string;
  readonly app?: App;
  readonly deviceShare?: Uint8Array;
}

/** An enrolled device. */
export class HandDevice {
  readonly routeKey: string;
  readonly sharedKey: Uint8Array;
  readonly deviceId: string;
  /** Of whom it is enrolled for. */
  readonly credentials: { readonly user: string; readonly password: string };
  readonly #caller: EdgeCaller;

  constructor(
    caller: EdgeCaller,
    enrolled: { routeKey: string; sharedKey: Uint8Array; deviceId: string },
    credentials: { readonly user: string; readonly password: string },
  ) {
    this.#caller = caller;
    this.routeKey = enrolled.routeKey;
    this.sharedKey = enrolled.sharedKey;
    this.deviceId = enrolled.deviceId;
    this.credentials = credentials;
  }

  static async enrol(
    caller: EdgeCaller,
    activation: string,
    credentials: { readonly user: string; readonly password: string },
  ): Promise<HandDevice> {
    const { request, secrets } = await enrolling(await serverKey(caller), { code: codeOf(activation) });
    const answer = goodMessage(await sendEnroll(caller, request));
    const { ciphertext } = fromBinary(EnrollResponseSchema, answer);
    const reply = fromBinary(EnrollReplyBodySchema, openEnrollReply(channelCrypto, secrets, ciphertext));
    const { routeKey, deviceId } = reply;
    return new HandDevice(caller, { routeKey, deviceId, sharedKey: secrets.sharedKey }, credentials);
  }

  /** A good message, but for what is given. */
  async opening(
    fields: OpenFields = {},
    by: { key?: ServerKey; sharedKey?: Uint8Array; routeKey?: string } = {},
  ): Promise<Opening> {
    const key = by.key ?? (await serverKey(this.#caller));
    const to = { ...key, routeKey: by.routeKey ?? this.routeKey, sharedKey: by.sharedKey ?? this.sharedKey };
    const attempt = await sealOpenSession(channelCrypto, to, (deviceShare) =>
      toBinary(
        OpenSessionBodySchema,
        create(OpenSessionBodySchema, {
          ...{ timeMs: BigInt(Date.now()), app, deviceShare, ...this.credentials },
          ...fields,
        }),
      ),
    );
    const { suite, keyId, enc, ciphertext, routeKey } = attempt;
    const sealed = { suite, keyId, enc, ciphertext };
    return { attempt, request: create(OpenSessionRequestSchema, { routeKey, sealed }) };
  }

  /** Sends it as if it were good. */
  send(request: OpenSessionRequest): Promise<Answer> {
    return this.#caller.call(
      `${sessionService}/OpenSession`,
      toBinary(OpenSessionRequestSchema, request),
      routed(this.routeKey),
    );
  }

  /** The session that a good answer tells of. */
  opened(attempt: OpenAttempt, answer: Answer): HandSession {
    const response = fromBinary(OpenSessionResponseSchema, goodMessage(answer));
    const { plaintext, sessionKey } = completeSession(channelCrypto, attempt, response);
    const { sessionId } = fromBinary(OpenSessionReplyBodySchema, plaintext);
    return new HandSession(this.#caller, { id: sessionId, key: sessionKey, routeKey: this.routeKey });
  }

  async open(): Promise<HandSession> {
    const { request, attempt } = await this.opening();
    return this.opened(attempt, await this.send(request));
  }
}
