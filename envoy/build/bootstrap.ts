import { socketPath } from '#compose/topology/paths.ts';
import { extension, type JsonObject } from '../model/json.ts';
import { fileSource } from './config-source.ts';
import type { BuildContext } from './context.ts';

const connections = 'envoy.resource_monitors.global_downstream_max_connections';
const heap = 'envoy.resource_monitors.fixed_heap';

/** The static part: who this is, where its files are, its limits. Everything else comes from the files. */
export const bootstrap = (ctx: BuildContext): JsonObject => {
  const { topology, pod } = ctx;
  return {
    node: {
      id: pod.name,
      cluster: `${topology.mesh}-${pod.role}`,
      locality: { zone: pod.host },
    },
    admin: { address: { pipe: { path: socketPath(topology, pod.name, 'admin'), mode: 0o600 } } },
    dynamic_resources: { lds_config: fileSource(ctx, 'lds'), cds_config: fileSource(ctx, 'cds') },
    overload_manager: overload(ctx),
  };
};

function overload({ model: { edge }, tuning, pod }: BuildContext): JsonObject {
  const connectionLimit = extension(
    connections,
    'envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig',
    { max_active_downstream_connections: tuning.sidecar.max_connections },
  );
  if (pod.role !== 'edge') return { resource_monitors: [connectionLimit] };
  return {
    refresh_interval: '0.25s',
    resource_monitors: [
      connectionLimit,
      extension(heap, 'envoy.extensions.resource_monitors.fixed_heap.v3.FixedHeapConfig', {
        max_heap_size_bytes: edge.max_heap,
      }),
    ],
    actions: [
      { name: 'envoy.overload_actions.shrink_heap', triggers: [above(0.9)] },
      { name: 'envoy.overload_actions.disable_http_keepalive', triggers: [above(0.92)] },
      { name: 'envoy.overload_actions.stop_accepting_requests', triggers: [above(0.95)] },
      {
        ...extension(
          'envoy.overload_actions.reduce_timeouts',
          'envoy.config.overload.v3.ScaleTimersOverloadActionConfig',
          { timer_scale_factors: [{ timer: 'HTTP_DOWNSTREAM_CONNECTION_IDLE', min_timeout: '2s' }] },
        ),
        triggers: [{ name: heap, scaled: { scaling_threshold: 0.85, saturation_threshold: 0.95 } }],
      },
    ],
    loadshed_points: [{ name: 'envoy.load_shed_points.tcp_listener_accept', triggers: [above(0.95)] }],
  };
}

const above = (value: number): JsonObject => ({ name: heap, threshold: { value } });
