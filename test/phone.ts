/** A device that speaks to security pods directly: enrols, opens sessions, proves possession of the key. */
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { decodeActivationString } from '#core/channel/activation-string.ts';
import { type AttachProof, beginAttach } from '#core/channel/attach.ts';
import { openEnrollReply, sealEnroll } from '#core/channel/enroll.ts';
import { completeSession, sealOpenSession } from '#core/channel/open-session.ts';
import {
  ActivationSchema,
  EnrollBodySchema,
  EnrollReplyBodySchema,
  OpenSessionBodySchema,
  OpenSessionReplyBodySchema,
  type ServerKey,
  ServerKeyListSchema,
} from '#gen/sallyport/channel/v1/channel_pb.js';
import { KeyStore } from '#gen/sallyport/keystore/v1/key_store_pb.js';
import { SessionService } from '#gen/sallyport/session/v1/session_pb.js';
import { channelCrypto } from '#kernel/crypto/channel-crypto.ts';
import { createGrpcClient, type GrpcClient } from '#kernel/rpc/grpc-client.ts';

export interface PhoneSession {
  readonly id: string;
  readonly key: Uint8Array;
  attach(): AttachProof;
}

export interface Phone {
  readonly routeKey: string;
  readonly deviceId: string;
  open(connectSocket: string, password: string): Promise<PhoneSession>;
}

const app = { platform: 'android', appId: 'com.example.field', version: '1.3.0', osVersion: '15' };

const operator = { 'x-forwarded-client-cert': 'URI=spiffe://sallyport.internal/operator/test' };
const edge = { 'x-forwarded-client-cert': 'URI=spiffe://sallyport.internal/edge/edge-0' };

function clients(connectSocket: string): {
  sessions: GrpcClient<typeof SessionService>;
  keys: GrpcClient<typeof KeyStore>;
} {
  const options = { address: `unix:${connectSocket}`, defaultDeadlineMs: 10_000, metadata: edge };
  return {
    sessions: createGrpcClient(SessionService, options),
    keys: createGrpcClient(KeyStore, options),
  };
}

async function serverKey(keys: GrpcClient<typeof KeyStore>): Promise<ServerKey> {
  const [key] = fromBinary(ServerKeyListSchema, (await keys.getServerKeys({})).keyList).keys;
  if (key === undefined) throw new Error('no server key is offered');
  return key;
}

/** Makes an activation for the user and enrols with it. */
export async function enrolPhone(connectSocket: string, user: string): Promise<Phone> {
  const { sessions, keys } = clients(connectSocket);
  try {
    const { activation } = await keys.createActivation({ user, appId: app.appId }, { headers: operator });
    const { code } = fromBinary(ActivationSchema, decodeActivationString(activation));
    const key = await serverKey(keys);
    const body = toBinary(EnrollBodySchema, create(EnrollBodySchema, { code, app, deviceName: 'test' }));
    const sealed = await sealEnroll(key, body);
    const { suite, keyId } = key;
    const { ciphertext } = await sessions.enroll({
      sealed: { suite, keyId, enc: sealed.enc, ciphertext: sealed.ciphertext },
    });
    const reply = fromBinary(EnrollReplyBodySchema, openEnrollReply(channelCrypto, sealed, ciphertext));
    const { routeKey, deviceId } = reply;
    return {
      routeKey,
      deviceId,
      open: (socket, password) => open(socket, { user, password, routeKey, sharedKey: sealed.sharedKey }),
    };
  } finally {
    sessions.close();
    keys.close();
  }
}

async function open(
  connectSocket: string,
  as: { user: string; password: string; routeKey: string; sharedKey: Uint8Array },
): Promise<PhoneSession> {
  const { sessions, keys } = clients(connectSocket);
  try {
    const key = await serverKey(keys);
    const { user, password, routeKey } = as;
    const attempt = await sealOpenSession(channelCrypto, { ...key, ...as }, (deviceShare) =>
      toBinary(
        OpenSessionBodySchema,
        create(OpenSessionBodySchema, { timeMs: BigInt(Date.now()), user, password, app, deviceShare }),
      ),
    );
    const { suite, keyId, enc, ciphertext } = attempt;
    const answer = await sessions.openSession(
      { routeKey, sealed: { suite, keyId, enc, ciphertext } },
      { headers: { 'x-sallyport-route': routeKey } },
    );
    const opened = completeSession(channelCrypto, attempt, answer);
    const { sessionId } = fromBinary(OpenSessionReplyBodySchema, opened.plaintext);
    return {
      id: sessionId,
      key: opened.sessionKey,
      attach: () => beginAttach(channelCrypto, opened.sessionKey, sessionId),
    };
  } finally {
    sessions.close();
    keys.close();
  }
}
