import { portOf } from '#compose/topology/query.ts';
import type { PodRole } from '#compose/topology/types.ts';
import { methodsServedBy, type ServingRole } from '../model/access.ts';
import type { Cluster, Endpoints, JsonObject, Listener, RouteConfiguration } from '../model/json.ts';
import { backendTuningOf } from '../model/load.ts';
import {
  backendEgressClusters,
  hasFilesOfItsOwn,
  localCluster,
  localHttp1,
  localHttp2,
  securityClusters,
  windows,
} from './clusters.ts';
import type { BuildContext } from './context.ts';
import {
  databaseClusters,
  databaseEndpoints,
  databaseListeners,
  dbPodClusters,
  dbPodEndpoints,
  dbPodListeners,
  dbPodRoutes,
} from './database.ts';
import { edgeClusters, edgeEndpoints, edgeListeners, edgeRoutes } from './edge.ts';
import { backendEndpoints, securityEndpoints } from './endpoints.ts';
import { backendFilters, egressFilters, ingressFilters, plainFilters } from './filter-order.ts';
import { httpManager, listener, meshChain, pipe, socket } from './listeners.ts';
import { repliesForBackends, repliesToCalls } from './local-replies.ts';
import {
  backendEgressRoutes,
  backendIngressRoutes,
  ingressRoutes,
  routeConfig,
  securityRoutes,
  virtualHost,
} from './routes.ts';

/** One way in or out of a pod, with all that it needs. */
export interface Part {
  readonly listeners: readonly Listener[];
  readonly clusters: readonly Cluster[];
  readonly endpoints: readonly Endpoints[];
  readonly routes: readonly RouteConfiguration[];
}
type PartBuilder = (ctx: BuildContext) => Part;

/** In: gRPC from other sidecars to the process. */
const serving =
  (role: ServingRole): PartBuilder =>
  (ctx) => {
    const rare = methodsServedBy(role).some((method) => method.server === 'connect');
    return {
      listeners: [meshIngress(ctx, 'HTTP2', ['h2'], ingressFilters(ctx, role))],
      clusters: [
        localCluster(ctx, 'grpc', localHttp2(ctx)),
        ...(rare ? [localCluster(ctx, 'connect', localHttp2(ctx))] : []),
      ],
      endpoints: [],
      routes: [ingressRoutes(role)],
    };
  };

/** In: HTTP from proxies to a backend. */
const backendIngress: PartBuilder = (ctx) => ({
  listeners: [
    meshIngress(ctx, 'HTTP2', ['h2'], backendFilters(ctx), { local_reply_config: repliesForBackends }),
  ],
  clusters: [
    localCluster(
      ctx,
      'http',
      localHttp1(backendTuningOf(ctx.model, ctx.pod.backend?.cluster ?? '').keep_open),
    ),
  ],
  endpoints: [],
  routes: [backendIngressRoutes()],
});

/** Out: gRPC to the security tier and to gateways, by `out.sock`. */
const securityEgress: PartBuilder = (ctx) => ({
  listeners: [
    listener(ctx, 'out', pipe(ctx, 'out'), [
      {
        filters: [
          httpManager(ctx, {
            name: 'out',
            codec: 'HTTP2',
            inbound: false,
            routes: hasFilesOfItsOwn(ctx) ? 'file' : 'inline',
            filters: egressFilters(ctx),
            fields: {
              local_reply_config: repliesToCalls,
              ...(ctx.pod.role === 'gateway' && findsHung(ctx)),
            },
          }),
        ],
      },
    ]),
  ],
  clusters: securityClusters(ctx),
  endpoints: securityEndpoints(ctx),
  routes: [routeConfig('out', [virtualHost('security', ['*'], securityRoutes(ctx))])],
});

/** A gateway that dials out serves by what its process calls: if it hangs, its calls are ended by these pings. */
const findsHung = ({ tuning: { connections } }: BuildContext): JsonObject => ({
  http2_protocol_options: {
    ...windows,
    connection_keepalive: {
      interval: connections.local_keepalive_interval,
      timeout: connections.local_keepalive_timeout,
    },
  },
});

/** Out: HTTP to the backends, by `backends.sock`. */
const backendsEgress: PartBuilder = (ctx) => ({
  listeners: [
    listener(ctx, 'backends', pipe(ctx, 'backends'), [
      {
        filters: [
          httpManager(ctx, {
            name: 'backends',
            codec: 'AUTO',
            inbound: false,
            routes: 'inline',
            filters: plainFilters(),
            fields: {
              local_reply_config: repliesForBackends,
              // An answer that broke off ends its connection, which is how the process learns of it. By default Envoy
              // waits 1 s for the other side to close first, lest a reset drops what TCP still holds; a Unix socket
              // gives its reader all that was written.
              delayed_close_timeout: '0s',
            },
          }),
        ],
      },
    ]),
  ],
  clusters: backendEgressClusters(ctx),
  endpoints: backendEndpoints(ctx),
  routes: [backendEgressRoutes(ctx)],
});

/** Out: to MySQL, by `db-rw.sock` and `db-ro.sock`. */
const databaseEgress: PartBuilder = (ctx) => ({
  listeners: databaseListeners(ctx),
  clusters: databaseClusters(ctx),
  endpoints: databaseEndpoints(ctx),
  routes: [],
});

const edgeDoor: PartBuilder = (ctx) => ({
  listeners: edgeListeners(ctx),
  clusters: edgeClusters(ctx),
  endpoints: edgeEndpoints(ctx),
  routes: edgeRoutes(ctx),
});

const dbPod: PartBuilder = (ctx) => ({
  listeners: dbPodListeners(ctx),
  clusters: dbPodClusters(ctx),
  endpoints: dbPodEndpoints(ctx),
  routes: dbPodRoutes(ctx),
});

const meshIngress = (
  ctx: BuildContext,
  codec: 'HTTP2' | 'AUTO',
  alpn: readonly string[],
  filters: Parameters<typeof httpManager>[1]['filters'],
  fields: JsonObject = {},
): Listener =>
  listener(ctx, 'mesh', socket(ctx.pod, portOf(ctx.pod, 'mesh')), [
    meshChain(ctx, alpn, [
      httpManager(ctx, { name: 'mesh', codec, inbound: true, routes: 'inline', filters, fields }),
    ]),
  ]);

/** What the sidecar of each role consists of. */
export const partsOfRole: Readonly<Record<PodRole, readonly PartBuilder[]>> = {
  edge: [edgeDoor],
  proxy: [serving('proxy'), securityEgress, backendsEgress],
  security: [serving('security'), securityEgress, databaseEgress],
  gateway: [serving('gateway'), securityEgress],
  worker: [securityEgress, databaseEgress],
  service: [securityEgress],
  db: [dbPod],
  backend: [backendIngress],
};
