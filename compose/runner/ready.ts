import { readFileSync } from 'node:fs';
import { request } from 'node:https';
import { type Folders, socketPath } from '#compose/topology/paths.ts';
import { groupOf, podsOf, portOf, replicasOf } from '#compose/topology/query.ts';
import type { Pod, Topology } from '#compose/topology/types.ts';
import { SallyportError } from '#core/errors/error.ts';
import { Health, HealthCheckResponse_ServingStatus as Serving } from '#gen/grpc/health/v1/health_pb.js';
import { createGrpcClient } from '#kernel/rpc/grpc-client.ts';
import { waitFor } from '#kernel/time/wait-for.ts';
import { askStatus } from '#services/db-agent/peers.ts';
import type { AgentStatus } from '#services/db-agent/status.ts';
import { socketStatus } from './socket-status.ts';

export interface ReadyOptions {
  readonly topology: Topology;
  readonly publicCa: string;
  readonly progress: (line: string) => void;
  readonly signal: AbortSignal;
  /** Milliseconds for all of it. */
  readonly timeoutMs: number;
}

/**
 * Resolves once the whole mesh serves, telling tier by tier: every sidecar ready, the database group
 * complete and followed, security, proxy and gateway pods SERVING, backends answering, workers claiming tasks, and each edge
 * answering a call that goes through all sidecars.
 * @throws START_FAILED naming what did not come
 */
export async function waitUntilUp(o: ReadyOptions): Promise<void> {
  const { topology: t, progress } = o;
  const tiers: readonly [string, readonly Pod[], (pod: Pod) => Promise<boolean>][] = [
    ['database group is complete', groupOf(t), (pod) => isInGroup(t, pod)],
    ['replicas follow it', replicasOf(t), (pod) => isFollowing(t, pod)],
    ['security pods serve', podsOf(t, 'security'), (pod) => isServing(t, pod)],
    ['proxies serve', podsOf(t, 'proxy'), (pod) => isServing(t, pod)],
    ['gateways serve', podsOf(t, 'gateway'), (pod) => isServing(t, pod)],
    ['backends answer', podsOf(t, 'backend'), (pod) => answers(t, pod)],
    ['workers claim tasks', podsOf(t, 'worker'), (pod) => claims(t, pod)],
    ['sidecars for services are there', podsOf(t, 'service'), async () => true],
    ['edges let calls through', podsOf(t, 'edge'), (pod) => letsThrough(pod, readFileSync(o.publicCa))],
  ];
  await Promise.all(
    tiers.map(async ([what, pods, isUp]) => {
      await Promise.all(pods.map((pod) => wait(o, pod, isUp)));
      if (pods.length > 0) progress(`${what}: ${pods.map((pod) => pod.name).join(', ')}`);
    }),
  );
}

async function wait(o: ReadyOptions, pod: Pod, isUp: (pod: Pod) => Promise<boolean>): Promise<void> {
  try {
    await waitFor(async () => (await sidecarIsReady(o.topology, pod)) && (await isUp(pod)), {
      timeoutMs: o.timeoutMs,
      everyMs: 100,
      what: `${pod.name} to be ready`,
      signal: o.signal,
    });
  } catch (error) {
    if (o.signal.aborted) throw error;
    throw new SallyportError('START_FAILED', {
      message: SallyportError.from(error).message,
      hint: `read the logs in ${o.topology.stateDir}/pods/${pod.name}/log`,
      cause: error,
    });
  }
}

/** Whether Envoy has all of its configuration (its admin's /ready). @throws while it does not listen */
async function sidecarIsReady(t: Topology, pod: Pod): Promise<boolean> {
  return (await socketStatus(socketPath(t, pod.name, 'admin'), '/ready', 1000)) === 200;
}

/** Whatever a backend says to somebody without an assertion: it answers. @throws while it does not listen */
async function answers(t: Topology, pod: Pod): Promise<boolean> {
  return (await socketStatus(socketPath(t, pod.name, 'http'), '/', 1000)) > 0;
}

/** A worker serves nobody but whoever reads its figures, once it claims tasks. @throws while it does not */
export async function claims(t: Folders, pod: Pick<Pod, 'name'>): Promise<boolean> {
  return (await socketStatus(socketPath(t, pod.name, 'figures'), '/metrics', 1000)) === 200;
}

export const statusOf = (t: Folders, pod: Pick<Pod, 'name'>): Promise<AgentStatus> =>
  askStatus({ socketPath: socketPath(t, pod.name, 'agent'), host: 'agent' }, 1000);

export async function isOnline(t: Folders, pod: Pick<Pod, 'name'>): Promise<boolean> {
  return (await statusOf(t, pod)).state === 'ONLINE';
}

/** Whether it is online in the very group of the others: one that has hung believes for a moment that it still is. */
async function isInGroup(t: Topology, pod: Pod): Promise<boolean> {
  const { state, view } = await statusOf(t, pod);
  if (state !== 'ONLINE') return false;
  const others = await Promise.all(groupOf(t).map((each) => statusOf(t, each)));
  return others.every((other) => other.view === view);
}

/** Whether a replica has caught up with the group, and is connected to it. */
export async function isFollowing(t: Folders, pod: Pick<Pod, 'name'>): Promise<boolean> {
  const { phase, replica } = await statusOf(t, pod);
  return phase === 'following' && replica?.connected === true && replica.lagMs !== undefined;
}

export async function isServing(t: Topology, pod: Pod): Promise<boolean> {
  const client = createGrpcClient(Health, {
    address: `unix:${socketPath(t, pod.name, 'grpc')}`,
    defaultDeadlineMs: 1000,
  });
  try {
    return (await client.check({})).status === Serving.SERVING;
  } finally {
    client.close();
  }
}

/** A call that any phone can make, from the outside to a security pod and back. */
export function letsThrough(pod: Pod, ca: Buffer): Promise<boolean> {
  const url = `https://${pod.address}:${portOf(pod, 'public')}/sallyport.keystore.v1.KeyStore/GetServerKeys`;
  return new Promise((resolve) => {
    const call = request(
      url,
      { method: 'POST', ca, headers: { 'content-type': 'application/json' }, timeout: 2000, agent: false },
      (response) => {
        response.resume();
        resolve(response.statusCode === 200);
      },
    );
    call.on('timeout', () => call.destroy());
    call.on('error', () => resolve(false));
    call.end('{}');
  });
}
