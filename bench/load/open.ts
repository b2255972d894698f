/** Devices that open sessions, each with a handshake of its own. */
import { fromBinary } from '@bufbuild/protobuf';
import { decodeActivationString } from '#core/channel/activation-string.ts';
import { ActivationSchema } from '#gen/sallyport/channel/v1/channel_pb.js';
import { KeyStore } from '#gen/sallyport/keystore/v1/key_store_pb.js';
import { SessionService } from '#gen/sallyport/session/v1/session_pb.js';
import { createGrpcClient } from '#kernel/rpc/grpc-client.ts';
import { type Enrolled, enrolMessage, newestKey, openMessage, testApp } from '#test/device-messages.ts';
import { serveBench } from '../harness/child.ts';
import type { SliceAnswer } from '../harness/interleave.ts';
import { closedLoop } from './closed-loop.ts';

export interface OpenLoad {
  readonly connectSocket: string;
  readonly user: string;
  readonly password: string;
  readonly devices: number;
  readonly inFlight: number;
}

const operator = { 'x-forwarded-client-cert': 'URI=spiffe://sallyport.internal/operator/test' };
const edge = { 'x-forwarded-client-cert': 'URI=spiffe://sallyport.internal/edge/edge-0' };

serveBench(async (load: OpenLoad) => {
  const { user, password } = load;
  const to = { address: `unix:${load.connectSocket}`, defaultDeadlineMs: 60_000, metadata: edge };
  const keys = createGrpcClient(KeyStore, to);
  const sessions = createGrpcClient(SessionService, to);
  const serverKey = newestKey(await keys.getServerKeys({}));
  const devices: Enrolled[] = [];
  while (devices.length < load.devices) {
    const made = await keys.createActivation({ user, appId: testApp.appId }, { headers: operator });
    const { code } = fromBinary(ActivationSchema, decodeActivationString(made.activation));
    const message = await enrolMessage(serverKey, code);
    devices.push(message.read(await sessions.enroll(message.request)));
  }
  const work = async (n: number): Promise<boolean> => {
    const device = devices[n % devices.length];
    if (device === undefined) throw new Error('there are no devices');
    const message = await openMessage(serverKey, device, { user, password });
    const headers = { 'x-sallyport-route': device.routeKey };
    return message.read(await sessions.openSession(message.request, { headers })).id !== '';
  };
  return ({ run }: { run: number }): Promise<SliceAnswer> => closedLoop(run, load.inFlight, work);
});
