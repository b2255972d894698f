import { type SocketName, socketPath } from '#compose/topology/paths.ts';
import type { Pod } from '#compose/topology/types.ts';
import { type Extension, extension, type JsonObject, type Listener, named } from '../model/json.ts';
import { windows } from './clusters.ts';
import { fileSource } from './config-source.ts';
import type { BuildContext } from './context.ts';
import { repliesToCalls } from './local-replies.ts';
import { accessLog, tracing } from './telemetry.ts';
import { meshServerTls } from './tls.ts';

/** A port on the pod's own address. */
export const socket = (pod: Pod, port: number, protocol: 'TCP' | 'UDP' = 'TCP'): JsonObject => ({
  socket_address: { address: pod.address, port_value: port, ...(protocol === 'UDP' ? { protocol } : {}) },
});

/** A Unix socket of the pod, for its own user only (mode 0600, in decimal). */
export const pipe = ({ topology, pod }: BuildContext, name: SocketName): JsonObject => ({
  pipe: { path: socketPath(topology, pod.name, name), mode: 0o600 },
});

export const listener = (
  { tuning }: BuildContext,
  name: string,
  address: JsonObject,
  chains: readonly JsonObject[],
  fields: JsonObject = {},
): Listener =>
  named('envoy.config.listener.v3.Listener', name, {
    address,
    // With it a second Envoy could bind the same port unnoticed and take half of the connections.
    enable_reuse_port: false,
    per_connection_buffer_limit_bytes: tuning.sidecar.buffer_limit,
    filter_chains: chains,
    ...fields,
  });

/** A filter chain behind mutual TLS. */
export const meshChain = (
  ctx: BuildContext,
  alpn: readonly string[],
  filters: readonly Extension[],
): JsonObject => ({
  name: 'mesh',
  transport_socket_connect_timeout: '5s',
  transport_socket: meshServerTls(ctx, alpn),
  filters,
});

export interface ManagerOptions {
  /** Name of its route configuration, and prefix of its statistics. */
  readonly name: string;
  readonly codec: 'AUTO' | 'HTTP1' | 'HTTP2' | 'HTTP3';
  /** True if it faces other sidecars: their identity is then passed on in x-forwarded-client-cert. */
  readonly inbound: boolean;
  readonly filters: readonly Extension[];
  /**
   * Where its routes are. In a `file` of their own they change without the listener being touched; others
   * stand in the listener, to which they are joined in inline.ts.
   */
  readonly routes: 'file' | 'inline';
  readonly fields?: JsonObject;
}

/** An HTTP connection manager; streams may be quiet for as long as they like. */
export const httpManager = (ctx: BuildContext, o: ManagerOptions): Extension =>
  extension(
    'envoy.filters.network.http_connection_manager',
    'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
    {
      stat_prefix: o.name,
      codec_type: o.codec,
      ...(o.routes === 'file'
        ? { rds: { route_config_name: o.name, config_source: fileSource(ctx, 'rds', o.name) } }
        : { route_config: { name: o.name } }),
      drain_timeout: ctx.tuning.sidecar.drain_time,
      // No address is trusted for being near: without a range Envoy trusts private addresses and loopback, and
      // lets whoever calls from there set time-outs and retries by x-envoy-*. From this one nobody can call.
      internal_address_config: { cidr_ranges: [{ address_prefix: '255.255.255.255', prefix_len: 32 }] },
      stream_idle_timeout: '0s',
      normalize_path: true,
      ...(o.inbound ? inbound(ctx) : {}),
      ...tracing(ctx),
      ...accessLog(ctx),
      http_filters: o.filters,
      ...o.fields,
    },
  );

const inbound = ({ tuning: { connections } }: BuildContext): JsonObject => ({
  forward_client_cert_details: 'SANITIZE_SET',
  set_current_client_cert_details: { uri: true },
  local_reply_config: repliesToCalls,
  http2_protocol_options: {
    ...windows,
    max_concurrent_streams: connections.max_concurrent_streams,
    connection_keepalive: {
      interval: connections.inbound_keepalive_interval,
      timeout: connections.inbound_keepalive_timeout,
    },
  },
});
