/** A device that speaks to security pods directly: enrols, opens sessions, proves possession of the key. */
import { fromBinary } from '@bufbuild/protobuf';
import { decodeActivationString } from '#core/channel/activation-string.ts';
import { type AttachProof, beginAttach } from '#core/channel/attach.ts';
import { ActivationSchema } from '#gen/sallyport/channel/v1/channel_pb.js';
import { KeyStore } from '#gen/sallyport/keystore/v1/key_store_pb.js';
import { SessionService } from '#gen/sallyport/session/v1/session_pb.js';
import { channelCrypto } from '#kernel/crypto/channel-crypto.ts';
import { createGrpcClient, type GrpcClient } from '#kernel/rpc/grpc-client.ts';
import type { OpenIdCredential } from '#sdk/oidc.ts';
import {
  type Enrolled,
  enrolMessage,
  newestKey,
  type OpenWords,
  openMessage,
  testApp,
} from './device-messages.ts';

export interface PhoneSession {
  readonly id: string;
  readonly key: Uint8Array;
  attach(): AttachProof;
}

export interface Phone {
  readonly routeKey: string;
  readonly deviceId: string;
  /** In the name of whom it was enrolled for, unless that has changed. */
  open(connectSocket: string, password: string, name?: string): Promise<PhoneSession>;
  /** The same by what a provider says of who it is. */
  openBy(connectSocket: string, openId: OpenIdCredential): Promise<PhoneSession>;
}

const operator = { 'x-forwarded-client-cert': 'URI=spiffe://sallyport.internal/operator/test' };
const edge = { 'x-forwarded-client-cert': 'URI=spiffe://sallyport.internal/edge/edge-0' };

function clients(
  connectSocket: string,
  deadlineMs = 10_000,
): {
  sessions: GrpcClient<typeof SessionService>;
  keys: GrpcClient<typeof KeyStore>;
} {
  const options = { address: `unix:${connectSocket}`, defaultDeadlineMs: deadlineMs, metadata: edge };
  return {
    sessions: createGrpcClient(SessionService, options),
    keys: createGrpcClient(KeyStore, options),
  };
}

/** Makes an activation for the user and enrols with it. */
export async function enrolPhone(connectSocket: string, user: string, deadlineMs?: number): Promise<Phone> {
  const { sessions, keys } = clients(connectSocket, deadlineMs);
  try {
    const made = await keys.createActivation({ user, appId: testApp.appId }, { headers: operator });
    const { code } = fromBinary(ActivationSchema, decodeActivationString(made.activation));
    const message = await enrolMessage(newestKey(await keys.getServerKeys({})), code);
    const enrolled = message.read(await sessions.enroll(message.request));
    const { routeKey, deviceId } = enrolled;
    return {
      routeKey,
      deviceId,
      open: (socket, password, name = user) => open(socket, enrolled, { user: name, password }),
      openBy: (socket, openId) => open(socket, enrolled, { user, openId }),
    };
  } finally {
    sessions.close();
    keys.close();
  }
}

async function open(connectSocket: string, enrolled: Enrolled, words: OpenWords): Promise<PhoneSession> {
  const { sessions, keys } = clients(connectSocket);
  try {
    const message = await openMessage(newestKey(await keys.getServerKeys({})), enrolled, words);
    const answer = await sessions.openSession(message.request, {
      headers: { 'x-sallyport-route': enrolled.routeKey },
    });
    const { id, key } = message.read(answer);
    return { id, key, attach: () => beginAttach(channelCrypto, key, id) };
  } finally {
    sessions.close();
    keys.close();
  }
}
