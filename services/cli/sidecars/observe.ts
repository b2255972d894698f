import { X509Certificate } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { meshTls, publicTls, socketPath, xdsFile } from '#compose/topology/paths.ts';
import { podsOf } from '#compose/topology/query.ts';
import type { Pod, Topology } from '#compose/topology/types.ts';
import { SallyportError } from '#core/errors/error.ts';
import { readServerInfo, type ServerInfo } from '#envoy/admin/server.ts';
import { readStats } from '#envoy/admin/stats.ts';
import { subscriptionStats, subscriptionsIn } from '#envoy/admin/subscriptions.ts';
import { bootstrapIsNewer, type Synchronised, synchronised } from '#envoy/admin/synchronised.ts';
import { podAt, podsBehind } from '#envoy/check/identities.ts';
import type { JsonObject } from '#envoy/model/json.ts';
import type { Clock } from '#kernel/time/clock.ts';
import { type MeshFacts, topologyOf } from '../mesh/mesh-of-state.ts';

/** What a sidecar says of itself and of what it was told. */
export interface SidecarView {
  readonly pod: Pod;
  /** Why it does not answer; undefined if it does. The rest is then empty. */
  readonly silent: string | undefined;
  readonly server: ServerInfo | undefined;
  readonly sync: readonly Synchronised[];
  /** The bootstrap on disk is newer than the one that it has read. */
  readonly restartNeeded: boolean;
  /** It fails its health checks on purpose, or gets no new calls since it is in nobody's endpoints. */
  readonly draining: boolean;
  /** When the first of its certificates expires, in ms since 1970; 0 if it has none. */
  readonly expiresAt: number;
}

/** Pods that get no new calls: those that an operator has taken out, and those that are in nobody's endpoints. */
export const drainingOf = (mesh: MeshFacts): ReadonlySet<string> =>
  new Set([...(mesh.state.draining ?? []), ...takenOut(topologyOf(mesh))]);

/** Asks every pod's sidecar, all at once. Never throws for one that does not answer. */
export function observeSidecars(mesh: MeshFacts, pods: readonly Pod[], clock: Clock): Promise<SidecarView[]> {
  const topology = topologyOf(mesh);
  const taken = drainingOf(mesh);
  return Promise.all(pods.map((pod) => observe(topology, pod, clock, taken.has(pod.name))));
}

async function observe(topology: Topology, pod: Pod, clock: Clock, out: boolean): Promise<SidecarView> {
  const admin = socketPath(topology, pod.name, 'admin');
  const expiresAt = firstExpiry(topology, pod);
  try {
    const [server, stats] = await Promise.all([readServerInfo(admin), readStats(admin, subscriptionStats)]);
    const startedAt = clock.now() - (server.uptimeSeconds + 1) * 1000;
    return {
      pod,
      silent: undefined,
      server,
      sync: synchronised(topology, pod.name, subscriptionsIn(stats)),
      restartNeeded: bootstrapIsNewer(topology, pod.name, startedAt + 2000),
      draining: out || server.state === 'DRAINING',
      expiresAt,
    };
  } catch (error) {
    const silent = SallyportError.from(error);
    const said = silent.reason === 'INTERNAL' && error instanceof Error ? error.message : silent.message;
    return { pod, silent: said, server: undefined, sync: [], restartNeeded: false, draining: out, expiresAt };
  }
}

/** The pods of the tiers that scale which stand in no sidecar's endpoints. */
function takenOut(topology: Topology): ReadonlySet<string> {
  const out = new Set<string>();
  for (const role of ['security', 'proxy'] as const) {
    const files = topology.pods.map(({ name }) => xdsFile(topology, name, 'eds', role)).filter(existsSync);
    if (files.length === 0) continue;
    const within = new Set(
      files.flatMap((file) =>
        podsBehind(topology, JSON.parse(readFileSync(file, 'utf8')) as JsonObject).map(({ name }) => name),
      ),
    );
    for (const { name } of podsOf(topology, role)) if (!within.has(name)) out.add(name);
  }
  return out;
}

function firstExpiry(topology: Topology, { name, role }: Pod): number {
  const folders = [meshTls(topology, name), ...(role === 'edge' ? [publicTls(topology, name)] : [])];
  return Math.min(
    ...folders.map(({ cert }) =>
      existsSync(cert) ? new X509Certificate(readFileSync(cert)).validToDate.getTime() : 0,
    ),
  );
}

/** `127.0.0.1:20001` as the pod that listens there; itself when none does. */
export function placeText(topology: Topology, address: string): string {
  const at = address.lastIndexOf(':');
  const pod = podAt(topology, address.slice(0, at), Number(address.slice(at + 1)));
  return pod === undefined ? address : pod.name;
}
