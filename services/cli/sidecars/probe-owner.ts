import { socketPath } from '#compose/topology/paths.ts';
import type { Pod, Topology } from '#compose/topology/types.ts';
import { readHosts } from '#envoy/admin/hosts.ts';
import { routeHeader } from '#envoy/model/headers.ts';
import { Health } from '#gen/grpc/health/v1/health_pb.js';
import { createGrpcClient } from '#kernel/rpc/grpc-client.ts';
import { placeText } from './observe.ts';

/** Enough to stand out from what the pod itself calls meanwhile. */
const probes = 20;
const probeMs = 2000;

/**
 * Asks the real Envoy: sends health checks with the route key through the pod's own way out, and looks which
 * endpoint's count has grown by them. Undefined where there is no such way (edges), or others called so much
 * meanwhile that it cannot be told.
 */
export async function probeOwner(
  topology: Topology,
  pod: Pod,
  cluster: string,
  routeKey: string,
): Promise<{ readonly pod: string; readonly probes: number } | undefined> {
  if (cluster !== 'security' || pod.role === 'edge') return undefined;
  const counts = async () =>
    new Map(
      (await readHosts(socketPath(topology, pod.name, 'admin')))
        .filter((host) => host.cluster === cluster)
        .map(({ address, requests }) => [address, requests]),
    );
  const client = createGrpcClient(Health, {
    address: `unix:${socketPath(topology, pod.name, 'out')}`,
    defaultDeadlineMs: probeMs,
  });
  try {
    const before = await counts();
    for (let n = 0; n < probes; n++) await client.check({}, { headers: { [routeHeader]: routeKey } });
    const grown = [...(await counts())].filter(
      ([address, now]) => now - (before.get(address) ?? 0) >= probes,
    );
    const [[address] = [], more] = grown;
    return address === undefined || more !== undefined
      ? undefined
      : { pod: placeText(topology, address), probes };
  } finally {
    client.close();
  }
}
