import type { ServingRole } from '../model/access.ts';
import { type Extension, extension, type JsonObject } from '../model/json.ts';
import type { BuildContext } from './context.ts';
import { cameAs } from './local-replies.ts';
import { agentRbac, backendRbac, methodRbac } from './rbac.ts';
import { grpcStats } from './telemetry.ts';

/**
 * The order of HTTP filters, in one place. A request meets them from first to last, an answer from last to
 * first; what refuses stands before what works.
 *
 * Edge: cors first, so that a browser may read refusals too; then what local-replies.ts wants to know; then the limits, by which a refused call costs
 * nearly nothing; then the translation of gRPC-Web and Connect into gRPC; statistics see plain gRPC.
 * Ingress: rbac before everything, so that a method that nobody may call is not even counted.
 */
export const edgeFilters = (ctx: BuildContext): Extension[] => [
  ...(ctx.model.edge.cors_origins.length > 0 ? [cors] : []),
  noteContentType,
  perClientLimit(ctx),
  bodyLimit(ctx),
  grpcWeb,
  connectBridge,
  ...grpcStats(ctx),
  router,
];

export const ingressFilters = (ctx: BuildContext, role: ServingRole): Extension[] => [
  methodRbac(ctx, role),
  ...grpcStats(ctx),
  router,
];

export const backendFilters = (ctx: BuildContext): Extension[] => [backendRbac(ctx), router];
export const dbAgentFilters = (ctx: BuildContext): Extension[] => [agentRbac(ctx), router];
export const egressFilters = (ctx: BuildContext): Extension[] => [...grpcStats(ctx), router];
export const plainFilters = (): Extension[] => [router];

const router = extension('envoy.filters.http.router', 'envoy.extensions.filters.http.router.v3.Router');
const cors = extension('envoy.filters.http.cors', 'envoy.extensions.filters.http.cors.v3.Cors');
const noteContentType = extension(
  'envoy.filters.http.header_to_metadata',
  'envoy.extensions.filters.http.header_to_metadata.v3.Config',
  { request_rules: [{ header: 'content-type', on_header_present: cameAs }] },
);
const grpcWeb = extension('envoy.filters.http.grpc_web', 'envoy.extensions.filters.http.grpc_web.v3.GrpcWeb');
const connectBridge = extension(
  'envoy.filters.http.connect_grpc_bridge',
  'envoy.extensions.filters.http.connect_grpc_bridge.v3.FilterConfig',
);

// Each client address has a bucket of its own; the filter's own bucket, shared by all, is set out of reach.
const perClientLimit = ({ model: { edge } }: BuildContext): Extension =>
  extension(
    'envoy.filters.http.local_ratelimit',
    'envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit',
    {
      stat_prefix: 'per_client',
      token_bucket: { max_tokens: 1_000_000, tokens_per_fill: 1_000_000, fill_interval: '1s' },
      filter_enabled: { default_value: { numerator: 100 } },
      filter_enforced: { default_value: { numerator: 100 } },
      max_dynamic_descriptors: edge.tracked_clients,
      always_consume_default_token_bucket: false,
      enable_retry_after_header: true,
      rate_limited_as_resource_exhausted: true,
      rate_limits: [{ actions: [{ remote_address: {} }] }],
      descriptors: [
        {
          entries: [{ key: 'remote_address' }],
          token_bucket: {
            max_tokens: edge.request_burst,
            tokens_per_fill: edge.requests_per_second,
            fill_interval: '1s',
          },
        },
      ],
    },
  );

const bodyLimit = ({ model: { edge } }: BuildContext): Extension =>
  extension(
    'envoy.filters.http.body_size_limit',
    'envoy.extensions.filters.http.body_size_limit.v3.BodySizeLimit',
    { max_request_bytes: edge.max_request_body },
  );

const off: JsonObject = {
  '@type': 'type.googleapis.com/envoy.config.route.v3.FilterConfig',
  disabled: true,
  config: {},
};

/** On routes to connect-node, which speaks Connect, gRPC and gRPC-Web itself. */
export const untranslated: JsonObject = {
  typed_per_filter_config: {
    'envoy.filters.http.grpc_web': off,
    'envoy.filters.http.connect_grpc_bridge': off,
  },
};

/** On routes of streams, which are as long as they are. */
export const unlimitedBody: JsonObject = {
  typed_per_filter_config: { 'envoy.filters.http.body_size_limit': off },
};
