import { connect } from 'node:net';
import { join } from 'node:path';
import type { DescService } from '@bufbuild/protobuf';
import type { Client } from '@connectrpc/connect';
import type { RunState } from '#compose/runner/run-file.ts';
import { pkiDir } from '#compose/topology/paths.ts';
import { SallyportError } from '#core/errors/error.ts';
import { KeyStore } from '#gen/sallyport/keystore/v1/key_store_pb.js';
import { readTls } from '#kernel/pki/tls-folder.ts';
import type { ClientTls } from '#kernel/rpc/client-tls.ts';
import { createConnectClient } from '#kernel/rpc/connect-client.ts';
import { createGrpcClient, type GrpcClient } from '#kernel/rpc/grpc-client.ts';
import { systemClock } from '#kernel/time/system-clock.ts';
import { askInTurn } from './ask-in-turn.ts';

/** Where an operator's tool finds the mesh. */
export interface OperatorPlaces {
  readonly stateDir: string;
  readonly pods: RunState['pods'];
}

/** Milliseconds for a pod's host to take a connection. */
const reachMs = 1500;

/**
 * Calls a service of the security tier with the operator's certificate, pod by pod until one answers: the
 * tools have no sidecar that would look for a healthy one. Only for what may be done twice.
 * @throws MESH_NOT_RUNNING without a certificate; the pods' own error; UNAVAILABLE when none answers
 */
export function askSecurity<S extends DescService, T>(
  places: OperatorPlaces,
  service: S,
  call: (client: GrpcClient<S>) => Promise<T>,
): Promise<T> {
  return askPods(places, async (at, tls, tryMs) => {
    const client = createGrpcClient(service, { address: at, tls, defaultDeadlineMs: tryMs });
    try {
      return await call(client);
    } finally {
      client.close();
    }
  });
}

/** The same with a Connect client, as people have one: for what is called rarely. */
export function askSecurityByConnect<S extends DescService, T>(
  places: OperatorPlaces,
  service: S,
  call: (client: Client<S>) => Promise<T>,
): Promise<T> {
  return askPods(places, (at, tls, tryMs) =>
    call(createConnectClient(service, { address: `https://${at}`, tls, defaultDeadlineMs: tryMs })),
  );
}

async function askPods<T>(
  places: OperatorPlaces,
  ask: (address: string, tls: ClientTls, tryMs: number) => Promise<T>,
): Promise<T> {
  const tls = await operatorTls(places.stateDir);
  const pods = places.pods.filter(({ role }) => role === 'security');
  return askInTurn(pods, 'security pod', systemClock, async ({ name, address, ports }, tryMs) => {
    await reach(name, address, ports.mesh ?? 0);
    return ask(`${address}:${ports.mesh}`, tls, tryMs);
  });
}

/** A pod whose host is gone says nothing at all, and would be waited for until the deadline. @throws UNAVAILABLE */
function reach(pod: string, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, timeout: reachMs });
    const fail = (why: string): void =>
      reject(new SallyportError('UNAVAILABLE', { message: `${pod} cannot be reached (${why})` }));
    socket.once('connect', () => resolve());
    socket.once('timeout', () => fail(`${host}:${port} is silent`));
    socket.once('error', (error) => fail(error.message));
    for (const event of ['connect', 'timeout', 'error']) socket.once(event, () => socket.destroy());
  });
}

/** A new activation string for a user's device. Whoever has it can enrol, once, within the hour. */
export async function createActivation(
  places: OperatorPlaces,
  request: { readonly user: string; readonly appId: string; readonly signal?: AbortSignal },
): Promise<string> {
  const { user, appId, signal } = request;
  const { activation } = await askSecurity(places, KeyStore, (keyStore) =>
    keyStore.createActivation({ user, appId, ttlSeconds: 3600 }, { signal }),
  );
  return activation;
}

/** The operator's certificate. @throws MESH_NOT_RUNNING */
export async function operatorTls(stateDir: string): Promise<ClientTls> {
  const dir = join(pkiDir({ stateDir }), 'operator', 'operator');
  const files = await readTls(dir);
  if (files?.ca === undefined) {
    throw new SallyportError('MESH_NOT_RUNNING', { message: `there is no operator's certificate in ${dir}` });
  }
  const { cert, key, ca } = files;
  return { cert: Buffer.from(cert), key: Buffer.from(key), ca: Buffer.from(ca), serverRole: 'security' };
}
