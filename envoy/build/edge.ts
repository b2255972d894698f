import { portOf } from '#compose/topology/query.ts';
import { adminMethods, type Method, publicMethods, scim } from '../model/access.ts';
import { adminHeader, clientAddressHeader, innerHeaders, unprocessedHeader } from '../model/headers.ts';
import {
  type Cluster,
  type Endpoints,
  type Extension,
  type JsonObject,
  type Listener,
  type RouteConfiguration,
  setHeader,
  typed,
} from '../model/json.ts';
import { tierCluster } from './clusters.ts';
import type { BuildContext } from './context.ts';
import { tierEndpoints } from './endpoints.ts';
import { edgeFilters, unlimitedBody, untranslated } from './filter-order.ts';
import { httpManager, listener, socket } from './listeners.ts';
import { repliesToDevices } from './local-replies.ts';
import { retryPolicy } from './retries.ts';
import { matchOf, routeConfig, virtualHost } from './routes.ts';
import { byRouteKey } from './sticky-routing.ts';
import { publicQuicTls, publicServerTls } from './tls.ts';

/** The outer door: after Envoy's "configuring Envoy as an edge proxy". */
export function edgeListeners(ctx: BuildContext): Listener[] {
  const { model, pod } = ctx;
  const port = portOf(pod, 'public');
  const limits = { per_connection_buffer_limit_bytes: model.edge.buffer_limit };
  const tcp = listener(
    ctx,
    'public',
    socket(pod, port),
    [
      {
        name: 'public',
        transport_socket_connect_timeout: '5s',
        transport_socket: publicServerTls(ctx),
        filters: [manager(ctx, 'AUTO')],
      },
    ],
    limits,
  );
  if (!model.edge.http3) return [tcp];
  const udp = listener(
    ctx,
    'public-http3',
    socket(pod, port, 'UDP'),
    [{ name: 'public-http3', transport_socket: publicQuicTls(ctx), filters: [manager(ctx, 'HTTP3')] }],
    {
      ...limits,
      udp_listener_config: { quic_options: {}, downstream_socket_config: { prefer_gro: true } },
      // Several workers can read UDP only from a socket each.
      enable_reuse_port: ctx.tuning.sidecar.concurrency > 1,
    },
  );
  return [tcp, udp];
}

function manager(ctx: BuildContext, codec: 'AUTO' | 'HTTP3'): Extension {
  const { edge } = ctx.model;
  return httpManager(ctx, {
    name: 'public',
    codec,
    inbound: false,
    routes: 'file',
    filters: edgeFilters(ctx),
    fields: {
      use_remote_address: true,
      // What serves is nobody's business: no header of Envoy's own, and the process's is removed with the route.
      server_header_transformation: 'PASS_THROUGH',
      merge_slashes: true,
      path_with_escaped_slashes_action: 'REJECT_REQUEST',
      max_request_headers_kb: Math.floor(edge.max_request_headers / 1024),
      request_headers_timeout: edge.headers_timeout,
      common_http_protocol_options: {
        idle_timeout: edge.connection_idle_timeout,
        max_connection_duration: edge.max_connection_duration,
        max_headers_count: edge.max_headers_count,
        headers_with_underscores_action: 'REJECT_REQUEST',
      },
      http2_protocol_options: {
        max_concurrent_streams: edge.max_concurrent_streams,
        initial_stream_window_size: 65_536,
        initial_connection_window_size: 1_048_576,
        connection_keepalive: { interval: edge.keepalive_interval, timeout: edge.keepalive_timeout },
      },
      ...(codec === 'HTTP3'
        ? {
            http3_protocol_options: {
              quic_protocol_options: {
                max_concurrent_streams: edge.max_concurrent_streams,
                initial_stream_window_size: 65_536,
                initial_connection_window_size: 1_048_576,
              },
            },
          }
        : {}),
      local_reply_config: repliesToDevices,
    },
  });
}

/** Only the listed RPCs lead anywhere; for the rest Envoy answers 404. */
export function edgeRoutes(ctx: BuildContext): RouteConfiguration[] {
  const { edge } = ctx.model;
  const routes = [
    ...publicMethods.proxy.map((method) => publicRoute(ctx, 'proxy', method)),
    ...publicMethods.security.map((method) => publicRoute(ctx, 'security', method)),
    ...(edge.admin_api ? adminMethods : []).map((method) => publicRoute(ctx, 'security', method)),
    ...(edge.scim ? [publicRoute(ctx, 'security', scim)] : []),
  ];
  // Overwrites what a phone may have sent.
  const set = {
    [clientAddressHeader]: '%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%',
    ...(edge.admin_api && { [adminHeader]: 'on' }),
  };
  return [
    routeConfig('public', [virtualHost('api', edge.domains, routes, corsPolicy(ctx))], {
      request_headers_to_remove: innerHeaders.filter((name) => !(name in set)),
      request_headers_to_add: Object.entries(set).map(([key, value]) => setHeader(key, value)),
      response_headers_to_remove: ['server', 'x-envoy-upstream-service-time', unprocessedHeader],
      ...(edge.http3
        ? {
            response_headers_to_add: [setHeader('alt-svc', `h3=":${portOf(ctx.pod, 'public')}"; ma=86400`)],
          }
        : {}),
    }),
  ];
}

function publicRoute(ctx: BuildContext, cluster: 'proxy' | 'security', method: Method): JsonObject {
  return {
    match: matchOf(method),
    route: { cluster, ...lifetime(ctx, method), ...byRouteKey, ...retryPolicy(ctx, method.mode) },
    ...(method.mode === 'stream' ? unlimitedBody : {}),
    ...(method.server === 'connect' ? untranslated : {}),
  };
}

// The bound of a unary call counts from its first byte, so a phone cannot hold one open by sending slowly.
function lifetime({ model: { edge } }: BuildContext, method: Method): JsonObject {
  if (method.mode === 'stream')
    return { timeout: '0s', max_stream_duration: { grpc_timeout_header_max: '0s' } };
  const longest = method.path.endsWith('Relay/Exchange') ? edge.exchange_timeout : edge.call_timeout;
  return {
    timeout: '0s',
    max_stream_duration: { max_stream_duration: longest, grpc_timeout_header_max: longest },
  };
}

function corsPolicy({ model: { edge } }: BuildContext): JsonObject {
  if (edge.cors_origins.length === 0) return {};
  return {
    typed_per_filter_config: {
      'envoy.filters.http.cors': typed('envoy.extensions.filters.http.cors.v3.CorsPolicy', {
        allow_origin_string_match: edge.cors_origins.map((origin) => ({ exact: new URL(origin).origin })),
        allow_methods: 'GET, POST',
        // Connect's and gRPC-Web's own headers, and ours.
        allow_headers:
          'content-type, authorization, connect-protocol-version, connect-timeout-ms, grpc-timeout, x-grpc-web, x-user-agent, x-sallyport-route, traceparent, tracestate',
        expose_headers: 'grpc-status, grpc-message, grpc-status-details-bin',
        max_age: '7200',
      }),
    },
  };
}

export const edgeClusters = (ctx: BuildContext): Cluster[] => [
  tierCluster(ctx, 'proxy'),
  tierCluster(ctx, 'security'),
];

export const edgeEndpoints = (ctx: BuildContext): Endpoints[] => [
  tierEndpoints(ctx, 'proxy'),
  tierEndpoints(ctx, 'security'),
];
