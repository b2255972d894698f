import { backendClusters, groupOf, podsBeside, podsOf, portOf } from '#compose/topology/query.ts';
import type { Pod, PortName } from '#compose/topology/types.ts';
import type { ServingRole } from '../model/access.ts';
import { type Endpoints, type JsonObject, typed } from '../model/json.ts';
import { addressedPods, backendCluster, podCluster, takesCalls } from './clusters.ts';
import type { BuildContext } from './context.ts';
import { hashedAs } from './sticky-routing.ts';

/** Endpoints of a cluster of other pods, in the topology's order. */
export const endpoints = (
  clusterName: string,
  hosts: readonly JsonObject[],
  fields: JsonObject = {},
): Endpoints => ({
  ...typed('envoy.config.endpoint.v3.ClusterLoadAssignment', fields),
  cluster_name: clusterName,
  endpoints: [{ lb_endpoints: hosts }],
});

const at = (pod: Pod, port: PortName): JsonObject => ({
  address: { socket_address: { address: pod.address, port_value: portOf(pod, port) } },
});

/** All pods of a serving role that are not draining; proxies of the own site only. */
export const tierEndpoints = (ctx: BuildContext, role: ServingRole): Endpoints =>
  endpoints(
    role,
    (role === 'proxy' ? podsBeside(ctx.topology, role, ctx.pod) : podsOf(ctx.topology, role))
      .filter((pod) => takesCalls(ctx, pod))
      .map((pod) => ({ endpoint: at(pod, 'mesh'), ...hashedAs(pod) })),
  );

/** The security tier, and each addressed pod for itself, draining or not: who addresses a pod means that one. */
export const securityEndpoints = (ctx: BuildContext): Endpoints[] => [
  tierEndpoints(ctx, 'security'),
  ...addressedPods(ctx).map((pod) => endpoints(podCluster(pod), [{ endpoint: at(pod, 'mesh') }])),
];

export const backendEndpoints = (ctx: BuildContext): Endpoints[] =>
  backendClusters(ctx.topology, ctx.pod).map((name) =>
    endpoints(
      backendCluster(name),
      podsBeside(ctx.topology, 'backend', ctx.pod)
        .filter((pod) => pod.backend?.cluster === name && takesCalls(ctx, pod))
        .map((pod) => ({ endpoint: at(pod, 'mesh') })),
    ),
  );

/** The MySQL nodes of the group, each checked at the port of its agent. */
export const mysqlEndpoints = (ctx: BuildContext, name: string, fields: JsonObject = {}): Endpoints =>
  endpoints(
    name,
    groupOf(ctx.topology).map((pod) => ({
      endpoint: { ...at(pod, 'mysql'), health_check_config: { port_value: portOf(pod, 'agent') } },
    })),
    fields,
  );

/** One db-agent. */
export const agentEndpoints = (name: string, pod: Pod): Endpoints =>
  endpoints(name, [{ endpoint: at(pod, 'agent') }]);
