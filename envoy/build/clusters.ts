import { type SocketName, socketPath } from '#compose/topology/paths.ts';
import { backendClusters, identityOf, podsOf, rolePrefix } from '#compose/topology/query.ts';
import type { Pod } from '#compose/topology/types.ts';
import { access, type ServingRole } from '../model/access.ts';
import { type Cluster, type JsonObject, named, typed } from '../model/json.ts';
import { backendTuningOf } from '../model/load.ts';
import { fileSource } from './config-source.ts';
import type { BuildContext } from './context.ts';
import { answerOutliers, connectionOutliers, grpcHealthChecks, httpHealthChecks } from './health.ts';
import { circuitBreakers } from './retries.ts';
import { maglev } from './sticky-routing.ts';
import { meshClientTls, type PeerIdentity } from './tls.ts';

export const cluster = (name: string, fields: JsonObject): Cluster =>
  named('envoy.config.cluster.v3.Cluster', name, fields);

/** Name of the cluster that holds one security or gateway pod alone. */
export const podCluster = ({ role, name }: Pick<Pod, 'role' | 'name'>): string => `${role}-pod/${name}`;
/** Name of the cluster of a named backend. */
export const backendCluster = (name: string): string => `backend/${name}`;

/** What every cluster of other pods has: mutual TLS with exactly the peer meant. Its endpoints join it in inline.ts. */
export const remote = (
  ctx: BuildContext,
  name: string,
  peer: PeerIdentity,
  alpn: readonly string[],
  fields: JsonObject,
): Cluster =>
  cluster(name, {
    type: 'STATIC',
    connect_timeout: ctx.tuning.connections.connect_timeout,
    per_connection_buffer_limit_bytes: ctx.tuning.sidecar.buffer_limit,
    // Without it a pod that was taken out but is healthy would stay in rotation.
    ignore_health_on_host_removal: true,
    transport_socket: meshClientTls(ctx, peer, alpn),
    ...circuitBreakers(ctx),
    ...fields,
  });

/** HTTP/2 between sidecars, with pings that find hung hosts and black holes. */
const http2 = ({ tuning: { connections } }: BuildContext): JsonObject =>
  httpOptions({
    explicit_http_config: {
      http2_protocol_options: {
        ...windows,
        connection_keepalive: {
          interval: connections.keepalive_interval,
          timeout: connections.keepalive_timeout,
          interval_jitter: { value: 10 },
        },
      },
    },
  });

// Envoy's defaults let one stream fill 256 MiB of a slow receiver's memory.
export const windows = { initial_stream_window_size: 1_048_576, initial_connection_window_size: 16_777_216 };

export const httpOptions = (fields: JsonObject): JsonObject => ({
  typed_extension_protocol_options: {
    'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': typed(
      'envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
      fields,
    ),
  },
});

const lbConfig = (panic: number): JsonObject => ({
  common_lb_config: { update_merge_window: '0s', healthy_panic_threshold: { value: panic } },
});

/**
 * All pods of a serving role: the owner of a route key by Maglev, or any pod. These tiers scale and drain
 * while calls are in flight, so their endpoints come from a file of their own: the cluster stays as it is. But for
 * workers, which try again what was cut, and save the watch (docs/adr/0001).
 */
export const tierCluster = (ctx: BuildContext, role: ServingRole): Cluster =>
  remote(ctx, role, { prefix: rolePrefix(ctx.topology, role) }, ['h2'], {
    ...(hasFilesOfItsOwn(ctx) && {
      type: 'EDS',
      eds_cluster_config: { eds_config: fileSource(ctx, 'eds', role) },
    }),
    ...maglev(ctx),
    ...lbConfig(ctx.tuning.health.panic_threshold),
    ...grpcHealthChecks(ctx),
    ...connectionOutliers(ctx),
    ...http2(ctx),
  });

/** Whether endpoints and ways to the tiers are read from files that change while calls are in flight. */
export const hasFilesOfItsOwn = ({ pod }: BuildContext): boolean => pod.role !== 'worker';

/** Pods that this one calls by name: security pods for streams and peers, gateways, and proxies by gateways. */
export const addressedPods = ({ topology, pod }: BuildContext): readonly Pod[] =>
  (['security', 'gateway', 'proxy'] as const)
    .filter((role: ServingRole) => access[role][pod.role] !== undefined)
    .flatMap((role) => podsOf(topology, role));

/** Each of them alone; its one endpoint is tried whatever its health. */
export const podClusters = (ctx: BuildContext): Cluster[] =>
  addressedPods(ctx).map((pod) =>
    remote(ctx, podCluster(pod), { exact: identityOf(ctx.topology, pod.role, pod.name) }, ['h2'], http2(ctx)),
  );

/** One cluster for each named backend. */
export const backendEgressClusters = (ctx: BuildContext): Cluster[] =>
  backendClusters(ctx.topology, ctx.pod).map((name) => {
    const tuning = backendTuningOf(ctx.model, name);
    return remote(ctx, backendCluster(name), { prefix: rolePrefix(ctx.topology, 'backend') }, ['h2'], {
      ...lbConfig(ctx.tuning.health.panic_threshold),
      ...(tuning.health_path === '' ? {} : httpHealthChecks(ctx, tuning.health_path)),
      ...answerOutliers(ctx, tuning.consecutive_failures),
      ...http2(ctx),
    });
  });

/** The pod's own process behind one of its sockets. */
export function localCluster(ctx: BuildContext, socket: SocketName, protocol: JsonObject): Cluster {
  const { topology, pod, tuning } = ctx;
  return cluster(socket, {
    type: 'STATIC',
    connect_timeout: tuning.connections.connect_timeout,
    per_connection_buffer_limit_bytes: tuning.sidecar.buffer_limit,
    load_assignment: {
      cluster_name: socket,
      endpoints: [
        {
          lb_endpoints: [
            { endpoint: { address: { pipe: { path: socketPath(topology, pod.name, socket) } } } },
          ],
        },
      ],
    },
    ...circuitBreakers(ctx),
    ...protocol,
  });
}

/** A process that serves gRPC; pings find out when it hangs. */
export const localHttp2 = ({ tuning: { connections } }: BuildContext): JsonObject =>
  httpOptions({
    explicit_http_config: {
      http2_protocol_options: {
        ...windows,
        connection_keepalive: {
          interval: connections.local_keepalive_interval,
          timeout: connections.local_keepalive_timeout,
        },
      },
    },
  });

/** A process that serves plain HTTP/1.1; an unused connection is closed before the process closes it. */
export const localHttp1 = (idle: string): JsonObject =>
  httpOptions({
    common_http_protocol_options: { idle_timeout: idle },
    explicit_http_config: { http_protocol_options: {} },
  });

/** Where traces go; only if telemetry.endpoint is set. */
export function tracingClusters({ model, tuning }: BuildContext): Cluster[] {
  if (model.telemetry.endpoint === '') return [];
  const url = new URL(model.telemetry.endpoint);
  const grpc = url.protocol === 'grpc:';
  return [
    cluster('otlp', {
      type: 'STRICT_DNS',
      connect_timeout: tuning.connections.connect_timeout,
      load_assignment: {
        cluster_name: 'otlp',
        endpoints: [
          {
            lb_endpoints: [
              {
                endpoint: {
                  address: {
                    socket_address: {
                      address: url.hostname.replace(/^\[|\]$/g, ''),
                      port_value: Number(url.port || (grpc ? 4317 : 4318)),
                    },
                  },
                },
              },
            ],
          },
        ],
      },
      ...(grpc ? httpOptions({ explicit_http_config: { http2_protocol_options: {} } }) : {}),
    }),
  ];
}

/** The security tier, and the pods that are called by name. */
export const securityClusters = (ctx: BuildContext): Cluster[] => [
  tierCluster(ctx, 'security'),
  ...podClusters(ctx),
];

/** True if the pod may be given new calls. */
export const takesCalls = (ctx: BuildContext, pod: Pod): boolean => !ctx.draining.has(pod.name);
