import { z } from 'zod';
import { podRoles } from '#compose/topology/types.ts';
import { count, duration, size } from './units.ts';

/**
 * The knobs of envoy/mesh.yaml. Meaning, unit, range and Envoy field of each stand there, beside the
 * default; the ranges are enforced here. Unknown fields are refused everywhere.
 */

const sidecar = {
  concurrency: count(1, 64),
  log_level: z.enum(['trace', 'debug', 'info', 'warning', 'error', 'critical', 'off']),
  access_log: z.enum(['off', 'errors', 'all']),
  drain_time: duration('0s', '10m'),
  max_connections: count(16, 1_000_000),
  buffer_limit: size('16KiB', '64MiB'),
};

const connections = {
  connect_timeout: duration('50ms', '30s'),
  keepalive_interval: duration('100ms', '10m'),
  keepalive_timeout: duration('50ms', '1m'),
  local_keepalive_interval: duration('100ms', '10m'),
  local_keepalive_timeout: duration('50ms', '1m'),
  inbound_keepalive_interval: duration('1s', '1h'),
  inbound_keepalive_timeout: duration('100ms', '5m'),
  max_connections: count(1, 1_000_000),
  max_pending_requests: count(1, 1_000_000),
  max_requests: count(1, 1_000_000),
  max_concurrent_streams: count(1, 100_000),
};

const health = {
  interval: duration('100ms', '1m'),
  timeout: duration('50ms', '30s'),
  unhealthy_threshold: count(1, 20),
  healthy_threshold: count(1, 20),
  panic_threshold: count(0, 100),
};

const outlier = {
  consecutive_failures: count(1, 1000),
  interval: duration('100ms', '5m'),
  ejection_time: duration('100ms', '1h'),
  max_ejection_percent: count(0, 100),
};

const retries = {
  attempts: count(0, 10),
  host_attempts: count(1, 20),
  back_off_base: duration('1ms', '10s'),
  back_off_max: duration('1ms', '1m'),
  per_try_timeout: duration('0s', '1m'),
  budget_percent: count(1, 100),
  budget_min_concurrency: count(1, 10_000),
};

const everyRole = { sidecar, connections, health, outlier, retries };

const edge = z.strictObject({
  domains: z.array(z.string().min(1)).min(1),
  tls_minimum: z.enum(['TLSv1_2', 'TLSv1_3']),
  http3: z.boolean(),
  cors_origins: z.array(z.url()),
  admin_api: z.boolean(),
  scim: z.boolean(),
  requests_per_second: count(1, 1_000_000),
  request_burst: count(1, 1_000_000),
  tracked_clients: count(20, 10_000_000),
  max_heap: size('64MiB', '64GiB'),
  buffer_limit: size('16KiB', '16MiB'),
  max_request_headers: size('1KiB', '96KiB'),
  max_headers_count: count(16, 1000),
  max_request_body: size('1KiB', '64MiB'),
  max_concurrent_streams: count(1, 10_000),
  headers_timeout: duration('100ms', '1m'),
  connection_idle_timeout: duration('1s', '24h'),
  max_connection_duration: duration('1m', '168h'),
  keepalive_interval: duration('1s', '1h'),
  keepalive_timeout: duration('1s', '5m'),
  call_timeout: duration('1s', '10m'),
  exchange_timeout: duration('1s', '1h'),
});

const database = z.strictObject({
  check_interval: duration('100ms', '30s'),
  check_timeout: duration('50ms', '30s'),
  connect_timeout: duration('50ms', '30s'),
  max_connections: count(1, 100_000),
});

const backend = {
  timeout: duration('0s', '24h'),
  idle_timeout: duration('0s', '24h'),
  keep_open: duration('100ms', '1h'),
  attempts: count(0, 10),
  consecutive_failures: count(1, 1000),
  health_path: z.string().regex(/^(\/.*)?$/, 'begins with a slash, or is empty'),
};

const telemetry = z.strictObject({
  endpoint: z.union([
    z.literal(''),
    z.url({ protocol: /^(http|grpc)$/, error: 'http://host:port or grpc://host:port' }),
  ]),
  sampling_percent: z.number().min(0).max(100),
  method_stats: z.boolean(),
});

const roleTuning = z
  .strictObject({
    sidecar: z.strictObject(sidecar).partial(),
    connections: z.strictObject(connections).partial(),
    health: z.strictObject(health).partial(),
    outlier: z.strictObject(outlier).partial(),
    retries: z.strictObject(retries).partial(),
  })
  .partial();

export const meshSchema = z.strictObject({
  ...(Object.fromEntries(
    Object.entries(everyRole).map(([name, fields]) => [name, z.strictObject(fields)]),
  ) as {
    [K in keyof typeof everyRole]: z.ZodObject<(typeof everyRole)[K], z.core.$strict>;
  }),
  roles: z.partialRecord(z.enum(podRoles), roleTuning),
  sticky: z.strictObject({ maglev_table_size: count(101, 5_000_011) }),
  tls: z.strictObject({ ecdh_curves: z.array(z.string().min(1)).min(1) }),
  edge,
  database,
  backends: z.strictObject({
    ...backend,
    clusters: z.record(z.string(), z.strictObject(backend).partial()),
  }),
  telemetry,
});

/** envoy/mesh.yaml, checked: durations in Envoy's form (`0.5s`), sizes in bytes. */
export type MeshModel = Readonly<z.output<typeof meshSchema>>;
/** The sections that every sidecar has, for one role. */
export type Tuning = Pick<MeshModel, keyof typeof everyRole>;
export type BackendTuning = Omit<MeshModel['backends'], 'clusters'>;
