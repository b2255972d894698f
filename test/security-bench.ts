/** Devices and operators at two real security pods on a real MySQL of one node. */
import assert from 'node:assert/strict';
import { fromBinary } from '@bufbuild/protobuf';
import { decodeActivationString } from '#core/channel/activation-string.ts';
import { SallyportError } from '#core/errors/error.ts';
import type { ErrorReason } from '#core/errors/registry.ts';
import { ActivationSchema, type ServerKey } from '#gen/sallyport/channel/v1/channel_pb.js';
import { KeyStore } from '#gen/sallyport/keystore/v1/key_store_pb.js';
import { SessionService } from '#gen/sallyport/session/v1/session_pb.js';
import type { Db } from '#kernel/db/db.ts';
import { openDb } from '#kernel/db/open-db.ts';
import { createGrpcClient, type GrpcClient } from '#kernel/rpc/grpc-client.ts';
import type { StepUpProof } from '#sdk/session.ts';
import type { SecurityTables } from '#services/security/store/tables.ts';
import { type DbGroup, startDbGroup } from './db-group.ts';
import {
  type Enrolled,
  enrolMessage,
  newestKey,
  openMessage,
  sessionMessage,
  testApp,
} from './device-messages.ts';
import { type SecurityPods, type SecurityPodsOptions, securityPods } from './security-pods.ts';

/** Headers by which a pod takes a call for one of this caller, past whose edge this address came. */
export const as = (role: string, pod: string, address?: string) => ({
  'x-forwarded-client-cert': `URI=spiffe://sallyport.internal/${role}/${pod}`,
  ...(address === undefined ? {} : { 'x-sallyport-client-address': address }),
});
export const operator = { headers: as('operator', 'test') };
export const ada = { user: 'ada', password: 'correct horse' };
export const bob = { user: 'bob', password: 'battery staple' };
/** Names no enrolment. */
export const noRoute = `${'x'.repeat(21)}A`;
export const routed = (routeKey: string) => ({ headers: { 'x-sallyport-route': routeKey } });

type OpenMessage = Awaited<ReturnType<typeof openMessage>>;

export interface SecurityBench {
  readonly tier: SecurityPods;
  readonly group: DbGroup;
  readonly db: Db<SecurityTables>;
  /** A server key that is offered. */
  readonly key: ServerKey;
  /** Clients of a pod, in the name of an edge. */
  at(pod?: number): GrpcClient<typeof SessionService>;
  keysAt(pod?: number): GrpcClient<typeof KeyStore>;
  /** An activation code. */
  codeFor(user: string): Promise<Uint8Array>;
  enrol(user?: string): Promise<Enrolled>;
  send(
    message: OpenMessage,
    pod?: number,
  ): Promise<ReturnType<OpenMessage['read']> & { readonly ciphertext: Uint8Array }>;
  open(
    device: Pick<Enrolled, 'routeKey' | 'sharedKey'>,
    words?: typeof ada,
    pod?: number,
  ): ReturnType<SecurityBench['send']>;
  /** RenewSession or CloseSession. */
  tell(
    kind: 'renew' | 'close',
    session: { readonly id: string; readonly key: Uint8Array },
    timeMs?: number,
  ): Promise<{ expiresAtMs: number }>;
  /** StepUp. */
  stepUp(session: { readonly id: string; readonly key: Uint8Array }, proof: StepUpProof): Promise<void>;
  close(): Promise<void>;
}

/** @param options more of the pods' configuration, and another policy */
export async function securityBench(
  options: Pick<Partial<SecurityPodsOptions>, 'config' | 'policy'> = {},
): Promise<SecurityBench> {
  const group = await startDbGroup({ pods: 1 });
  try {
    return await benchOn(group, options);
  } catch (error) {
    await group.close();
    throw error;
  }
}

async function benchOn(group: DbGroup, options: Parameters<typeof securityBench>[0]): Promise<SecurityBench> {
  await group.online();
  const tier = await securityPods(group, {
    names: ['sec-0', 'sec-1'],
    users: [
      { name: 'ada', password: ada.password, groups: ['staff'] },
      { name: 'bob', password: bob.password, groups: ['staff'] },
    ],
    policy: { resources: [] },
    ...options,
  });
  // At once, so that both would make the keys and the schema.
  await Promise.all(tier.pods.map((pod) => pod.start())).catch(async (error: unknown) => {
    await tier.close();
    throw error;
  });
  const metadata = as('edge', 'edge-0', '192.0.2.1');
  const addresses = tier.pods.map(({ connectSocket }) => ({
    ...{ address: `unix:${connectSocket}`, defaultDeadlineMs: 30_000, metadata },
  }));
  const sessions = addresses.map((each) => createGrpcClient(SessionService, each));
  const keys = addresses.map((each) => createGrpcClient(KeyStore, each));
  const password = group.passwords.app;
  const db = openDb<SecurityTables>({ socketPath: group.rwSocket, user: 'sallyport', password });
  const at = (pod = 0) => sessions[pod] ?? assert.fail();
  const keysAt = (pod = 0) => keys[pod] ?? assert.fail();
  const key = newestKey(await keysAt().getServerKeys({}));
  const codeFor = async (user: string): Promise<Uint8Array> => {
    const { activation } = await keysAt().createActivation({ user, appId: testApp.appId }, operator);
    return fromBinary(ActivationSchema, decodeActivationString(activation)).code;
  };
  const send: SecurityBench['send'] = async (message, pod = 0) => {
    const answer = await at(pod).openSession(message.request, routed(message.request.routeKey));
    return { ciphertext: answer.ciphertext, ...message.read(answer) };
  };
  return {
    ...{ tier, group, db, key, at, keysAt, codeFor, send },
    enrol: async (user = 'ada') => {
      const message = await enrolMessage(key, await codeFor(user));
      return message.read(await at().enroll(message.request));
    },
    open: async (device, words = ada, pod = 0) => send(await openMessage(key, device, words), pod),
    tell: async (kind, session, timeMs) => {
      const { request, read } = sessionMessage(kind, session, timeMs);
      const route = routed(session.id.slice(0, 22));
      return read(
        await (kind === 'renew' ? at().renewSession(request, route) : at().closeSession(request, route)),
      );
    },
    stepUp: async (session, proof) => {
      const { request, read } = sessionMessage('stepUp', session, undefined, proof);
      read(await at().stepUp(request.sealed, routed(session.id.slice(0, 22))));
    },
    close: async () => {
      for (const client of [...sessions, ...keys]) client.close();
      await db.close();
      await tier.close();
      await group.close();
    },
  };
}

/** What whoever called can see. */
export const shown = ({ reason, message, hint, status, retryAfterMs }: SallyportError) => ({
  ...{ reason, message, hint, status, retryAfterMs },
});

/** The error of a call that must fail. */
export const failure = async (call: Promise<unknown>): Promise<SallyportError> => {
  try {
    await call;
  } catch (error) {
    return SallyportError.from(error);
  }
  return assert.fail('it did not fail');
};

export const failsAs =
  (expected: ErrorReason) =>
  (error: unknown): true => {
    assert.equal(SallyportError.from(error).reason, expected);
    return true;
  };
