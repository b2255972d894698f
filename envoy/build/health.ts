import type { JsonObject } from '../model/json.ts';
import type { BuildContext } from './context.ts';

interface Timing {
  readonly interval: string;
  readonly timeout: string;
  readonly unhealthy: number;
  readonly healthy: number;
}

// Envoy checks every 60 s while a cluster has had no traffic yet, and has four more intervals: all are set.
const timed = (t: Timing, check: JsonObject): JsonObject => ({
  timeout: t.timeout,
  interval: t.interval,
  no_traffic_interval: t.interval,
  unhealthy_interval: t.interval,
  unhealthy_edge_interval: t.interval,
  healthy_edge_interval: t.interval,
  initial_jitter: '0.05s',
  unhealthy_threshold: t.unhealthy,
  healthy_threshold: t.healthy,
  reuse_connection: true,
  ...check,
});

const common = ({ tuning: { health } }: BuildContext): Timing => ({
  interval: health.interval,
  timeout: health.timeout,
  unhealthy: health.unhealthy_threshold,
  healthy: health.healthy_threshold,
});

/** Asks the process behind a sidecar by grpc.health.v1. */
export const grpcHealthChecks = (ctx: BuildContext): JsonObject => ({
  health_checks: [timed(common(ctx), { grpc_health_check: {} })],
});

/** Asks a backend by GET. */
export const httpHealthChecks = (ctx: BuildContext, path: string): JsonObject => ({
  health_checks: [
    timed(common(ctx), { http_health_check: { path, host: 'health', codec_client_type: 'HTTP2' } }),
  ],
});

/** Asks the db-agent beside a MySQL node whether it may be used; one answer decides, so a failover is short. */
export const agentHealthChecks = ({ model: { database } }: BuildContext, path: string): JsonObject => ({
  health_checks: [
    timed(
      { interval: database.check_interval, timeout: database.check_timeout, unhealthy: 1, healthy: 1 },
      {
        http_health_check: { path, host: 'agent' },
        tls_options: { alpn_protocols: ['http/1.1'] },
      },
    ),
  ],
});

/**
 * Ejects pods that drop connections. What a pod answers is not counted: UNAVAILABLE for want of a database
 * comes from all pods alike, and an ejection would only move sessions. A dead process behind a living
 * sidecar is found by the health check.
 */
export const connectionOutliers = ({ tuning: { outlier } }: BuildContext): JsonObject => ({
  outlier_detection: {
    split_external_local_origin_errors: true,
    consecutive_local_origin_failure: outlier.consecutive_failures,
    enforcing_consecutive_local_origin_failure: 100,
    enforcing_consecutive_5xx: 0,
    enforcing_consecutive_gateway_failure: 0,
    enforcing_success_rate: 0,
    enforcing_local_origin_success_rate: 0,
    interval: outlier.interval,
    base_ejection_time: outlier.ejection_time,
    max_ejection_percent: outlier.max_ejection_percent,
  },
});

/** Ejects backends that answer 502, 503 or 504 or drop connections; they may have no health check of their own. */
export const answerOutliers = ({ tuning: { outlier } }: BuildContext, consecutive: number): JsonObject => ({
  outlier_detection: {
    consecutive_gateway_failure: consecutive,
    enforcing_consecutive_gateway_failure: 100,
    enforcing_consecutive_5xx: 0,
    enforcing_success_rate: 0,
    interval: outlier.interval,
    base_ejection_time: outlier.ejection_time,
    max_ejection_percent: outlier.max_ejection_percent,
  },
});
