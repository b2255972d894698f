import { backendClusters } from '#compose/topology/query.ts';
import { access, type CallMode, type Method, methodsServedBy, type ServingRole } from '../model/access.ts';
import {
  authorityHeader,
  cameHeader,
  localReplyHeader,
  podHeader,
  unprocessedHeader,
} from '../model/headers.ts';
import { type JsonObject, named, type RouteConfiguration, setHeader } from '../model/json.ts';
import { backendTuningOf } from '../model/load.ts';
import { addressedPods, backendCluster, podCluster } from './clusters.ts';
import type { BuildContext } from './context.ts';
import { backendRetryPolicy, localRetryPolicy, retryPolicy } from './retries.ts';
import { byRouteKey } from './sticky-routing.ts';

export const routeConfig = (
  name: string,
  hosts: readonly JsonObject[],
  fields: JsonObject = {},
): RouteConfiguration =>
  // Without validate_clusters a route to nowhere would be accepted.
  named('envoy.config.route.v3.RouteConfiguration', name, {
    validate_clusters: true,
    virtual_hosts: hosts,
    ...fields,
  });

export const virtualHost = (
  name: string,
  domains: readonly string[],
  routes: readonly JsonObject[],
  fields: JsonObject = {},
): JsonObject => ({ name, domains, routes, ...fields });

/** How a request for it is known. */
export const matchOf = ({ path, below }: Method): JsonObject =>
  below ? { path_separated_prefix: path } : { path };

/** As long as the caller's deadline says, and without one for ever: streams live as long as both sides. */
const callersDeadline: JsonObject = { timeout: '0s', max_stream_duration: { grpc_timeout_header_max: '0s' } };

/** Into the process: hot services by grpc.sock, rare ones by connect.sock. */
export function ingressRoutes(role: ServingRole): RouteConfiguration {
  const toConnect = methodsServedBy(role).filter((method) => method.server === 'connect');
  const routes = [
    ...toConnect.map((method) => ({
      match: matchOf(method),
      route: { cluster: 'connect', ...callersDeadline, ...localRetryPolicy },
    })),
    { match: { prefix: '/' }, route: { cluster: 'grpc', ...callersDeadline, ...localRetryPolicy } },
  ];
  return routeConfig('mesh', [virtualHost('process', ['*'], routes)], {
    request_headers_to_add: [setHeader(cameHeader, '%START_TIME(%s.%3f)%')],
  });
}

/** Into a backend: the header that named its host has done its work. */
export const backendIngressRoutes = (): RouteConfiguration =>
  routeConfig(
    'mesh',
    [
      virtualHost(
        'backend',
        ['*'],
        [{ match: { prefix: '/' }, route: { cluster: 'http', timeout: '0s', ...localRetryPolicy } }],
      ),
    ],
    {
      request_headers_to_remove: [authorityHeader],
      // Not the backend's to say; a sidecar's own answers do not come this way.
      response_headers_to_remove: [unprocessedHeader, localReplyHeader],
    },
  );

/**
 * Out: to the pod that x-sallyport-pod names, else to the security pod that owns the route key. Each
 * repeatable method has a route of its own, since retries belong to routes.
 */
export function securityRoutes(ctx: BuildContext): JsonObject[] {
  const addressed = addressedPods(ctx).map((pod) => ({
    match: { prefix: '/', headers: [{ name: podHeader, string_match: { exact: pod.name } }] },
    route: { cluster: podCluster(pod), ...callersDeadline },
  }));
  const unknown = {
    match: { prefix: '/', headers: [{ name: podHeader, present_match: true }] },
    direct_response: { status: 503, body: { inline_string: 'there is no such pod' } },
    // Somebody still names one that was taken away: nothing was done.
    response_headers_to_add: [{ header: { key: unprocessedHeader, value: '1' } }],
  };
  const toOwner = (match: JsonObject, mode: CallMode) => ({
    match,
    route: { cluster: 'security', ...callersDeadline, ...byRouteKey, ...retryPolicy(ctx, mode) },
  });
  const methods = (access.security[ctx.pod.role] ?? []).filter((m) => m.mode !== 'once');
  return [
    ...addressed,
    unknown,
    ...methods.map((method) => toOwner(matchOf(method), method.mode)),
    toOwner({ prefix: '/' }, 'once'),
  ];
}

/** Out to the backends: the authority names the cluster; the host that the backend is to see is in a header. */
export const backendEgressRoutes = (ctx: BuildContext): RouteConfiguration =>
  routeConfig(
    'backends',
    backendClusters(ctx.topology, ctx.pod).map((name) => {
      const { timeout, idle_timeout, attempts } = backendTuningOf(ctx.model, name);
      return virtualHost(
        name,
        [name],
        [
          {
            match: { prefix: '/' },
            route: {
              cluster: backendCluster(name),
              timeout,
              idle_timeout,
              host_rewrite_header: authorityHeader,
              ...backendRetryPolicy(ctx, attempts),
            },
          },
        ],
      );
    }),
  );
