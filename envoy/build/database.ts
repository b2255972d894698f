import { identityOf, podsOf, portOf, rolePrefix } from '#compose/topology/query.ts';
import {
  type Cluster,
  type Endpoints,
  extension,
  type Listener,
  type RouteConfiguration,
} from '../model/json.ts';
import { httpOptions, localCluster, localHttp1, remote } from './clusters.ts';
import type { BuildContext } from './context.ts';
import { agentEndpoints, mysqlEndpoints } from './endpoints.ts';
import { dbAgentFilters, egressFilters } from './filter-order.ts';
import { agentHealthChecks } from './health.ts';
import { httpManager, listener, meshChain, pipe, socket } from './listeners.ts';
import { mysqlRbac } from './rbac.ts';
import { routeConfig, virtualHost } from './routes.ts';

/**
 * The way to MySQL: `db-rw.sock` leads to the primary, `db-ro.sock` to a readable member. The sidecar asks
 * the db-agents which is which; when a node stops being what it was, its connections are closed at once, so
 * that nobody waits for a node that will not answer. With no such node, connections are refused at once too
 * (panic threshold 0) and the caller waits.
 */
const egress = [
  { name: 'db-rw', path: '/primary' },
  // The primary marks its answer `x-envoy-degraded`: it is read from only while no secondary can be.
  { name: 'db-ro', path: '/readable' },
] as const;

export const databaseClusters = (ctx: BuildContext): Cluster[] =>
  egress.map(({ name, path }) => {
    const { database } = ctx.model;
    return remote(ctx, name, { prefix: rolePrefix(ctx.topology, 'db') }, [], {
      connect_timeout: database.connect_timeout,
      close_connections_on_host_health_failure: true,
      common_lb_config: { update_merge_window: '0s', healthy_panic_threshold: { value: 0 } },
      circuit_breakers: { thresholds: [{ max_connections: database.max_connections }] },
      upstream_connection_options: {
        tcp_keepalive: { keepalive_probes: 3, keepalive_time: 5, keepalive_interval: 2 },
      },
      ...agentHealthChecks(ctx, path),
    });
  });

export const databaseEndpoints = (ctx: BuildContext): Endpoints[] => [
  mysqlEndpoints(ctx, 'db-rw'),
  // A factor this high keeps all reads on secondaries as long as a single one is left of three.
  mysqlEndpoints(ctx, 'db-ro', { policy: { overprovisioning_factor: 1000 } }),
];

export const databaseListeners = (ctx: BuildContext): Listener[] =>
  egress.map(({ name }) => listener(ctx, name, pipe(ctx, name), [{ filters: [tcpProxy(name, name)] }]));

const tcpProxy = (statPrefix: string, to: string) =>
  extension('envoy.filters.network.tcp_proxy', 'envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy', {
    stat_prefix: statPrefix,
    cluster: to,
    // mysqld ends connections that were idle too long, and pools keep theirs open.
    idle_timeout: '0s',
    max_connect_attempts: 2,
  });

/** A database pod's own sidecar: into mysqld and the agent, and from the agent to the other agents. */
export const dbPodListeners = (ctx: BuildContext): Listener[] => [
  listener(ctx, 'mysql', socket(ctx.pod, portOf(ctx.pod, 'mysql')), [
    meshChain(ctx, [], [mysqlRbac(ctx), tcpProxy('mysqld', 'mysqld')]),
  ]),
  listener(ctx, 'agent', socket(ctx.pod, portOf(ctx.pod, 'agent')), [
    meshChain(
      ctx,
      ['http/1.1'],
      [
        httpManager(ctx, {
          name: 'agent',
          codec: 'HTTP1',
          inbound: true,
          routes: 'inline',
          filters: dbAgentFilters(ctx),
        }),
      ],
    ),
  ]),
  listener(ctx, 'out', pipe(ctx, 'out'), [
    {
      filters: [
        httpManager(ctx, {
          name: 'out',
          codec: 'HTTP1',
          inbound: false,
          routes: 'inline',
          filters: egressFilters(ctx),
        }),
      ],
    },
  ]),
];

const agentCluster = (pod: string) => `agent/${pod}`;

export const dbPodClusters = (ctx: BuildContext): Cluster[] => [
  localCluster(ctx, 'mysqld', {}),
  // db-agents answer health checks several times a second, so a connection is never idle for long.
  localCluster(ctx, 'agent', localHttp1('4s')),
  ...podsOf(ctx.topology, 'db').map((pod) =>
    remote(
      ctx,
      agentCluster(pod.name),
      { exact: identityOf(ctx.topology, 'db', pod.name) },
      ['http/1.1'],
      httpOptions({
        common_http_protocol_options: { idle_timeout: '4s' },
        explicit_http_config: { http_protocol_options: {} },
      }),
    ),
  ),
];

export const dbPodEndpoints = (ctx: BuildContext): Endpoints[] =>
  podsOf(ctx.topology, 'db').map((pod) => agentEndpoints(agentCluster(pod.name), pod));

export const dbPodRoutes = (ctx: BuildContext): RouteConfiguration[] => [
  routeConfig('agent', [
    virtualHost('agent', ['*'], [{ match: { prefix: '/' }, route: { cluster: 'agent', timeout: '0s' } }]),
  ]),
  routeConfig(
    'out',
    podsOf(ctx.topology, 'db').map((pod) =>
      virtualHost(
        pod.name,
        [`${pod.name}.agent`],
        [{ match: { prefix: '/' }, route: { cluster: agentCluster(pod.name), timeout: '0s' } }],
      ),
    ),
  ),
];
