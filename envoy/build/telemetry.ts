import { logFile } from '#compose/topology/paths.ts';
import { type Extension, extension, type JsonObject } from '../model/json.ts';
import type { BuildContext } from './context.ts';

const tracers = 'envoy.tracers.opentelemetry';
const samplers = 'envoy.extensions.tracers.opentelemetry.samplers.v3';

/** Traces of an HTTP connection manager: W3C context, a caller's decision kept. Nothing without an endpoint. */
export function tracing({ model: { telemetry }, topology, pod }: BuildContext): JsonObject {
  if (telemetry.endpoint === '') return {};
  const url = new URL(telemetry.endpoint);
  const exporter =
    url.protocol === 'grpc:'
      ? { grpc_service: { envoy_grpc: { cluster_name: 'otlp' }, timeout: '1s' } }
      : {
          http_service: {
            http_uri: {
              uri: new URL(url.pathname === '/' ? '/v1/traces' : url.pathname, url).href,
              cluster: 'otlp',
              timeout: '1s',
            },
          },
        };
  return {
    tracing: {
      spawn_upstream_span: true,
      random_sampling: { value: 100 },
      // A path behind the seal is the backend's alone, and its query may hold a token. `grpc.path` stays.
      max_path_tag_length: 0,
      provider: extension(tracers, 'envoy.config.trace.v3.OpenTelemetryConfig', {
        service_name: `${topology.mesh}-${pod.role}-sidecar`,
        ...exporter,
        sampler: extension(`${tracers}.samplers.parent_based`, `${samplers}.ParentBasedSamplerConfig`, {
          wrapped_sampler: extension(
            `${tracers}.samplers.trace_id_ratio_based`,
            `${samplers}.TraceIdRatioBasedSamplerConfig`,
            {
              sampling_percentage: {
                numerator: Math.round(telemetry.sampling_percent * 10_000),
                denominator: 'MILLION',
              },
            },
          ),
        }),
      }),
    },
  };
}

/** Counters of each gRPC method; methods are few, since only those that are let in reach this filter. */
export const grpcStats = ({ model: { telemetry } }: BuildContext): Extension[] =>
  telemetry.method_stats
    ? [
        extension(
          'envoy.filters.http.grpc_stats',
          'envoy.extensions.filters.http.grpc_stats.v3.FilterConfig',
          {
            stats_for_all_methods: true,
            enable_upstream_stats: true,
          },
        ),
      ]
    : [];

/** The access log as JSON lines: who, what, how it ended. Never a query string, never a header with a secret. */
export function accessLog({ tuning: { sidecar }, topology, pod }: BuildContext): JsonObject {
  if (sidecar.access_log === 'off') return {};
  const errors = {
    filter: {
      or_filter: {
        filters: [
          {
            status_code_filter: {
              comparison: { op: 'GE', value: { default_value: 500, runtime_key: 'sallyport.access_log' } },
            },
          },
          { grpc_status_filter: { statuses: ['OK'], exclude: true } },
        ],
      },
    },
  };
  return {
    access_log: [
      {
        ...(sidecar.access_log === 'errors' ? errors : {}),
        ...extension('envoy.access_loggers.file', 'envoy.extensions.access_loggers.file.v3.FileAccessLog', {
          path: logFile(topology, pod.name, 'access'),
          log_format: {
            json_format: {
              time: '%START_TIME%',
              pod: pod.name,
              listener: '%FILTER_CHAIN_NAME%',
              peer: '%DOWNSTREAM_PEER_URI_SAN%',
              address: '%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%',
              method: '%REQ(:METHOD)%',
              path: '%PATH(NQ)%',
              status: '%RESPONSE_CODE%',
              grpc: '%GRPC_STATUS%',
              flags: '%RESPONSE_FLAGS%',
              details: '%RESPONSE_CODE_DETAILS%',
              upstream: '%UPSTREAM_HOST%',
              ms: '%DURATION%',
              trace_id: '%TRACE_ID%',
              request_id: '%REQ(X-REQUEST-ID)%',
            },
          },
        }),
      },
    ],
  };
}
