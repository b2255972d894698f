import type { XdsType } from '#compose/topology/paths.ts';
import type { Topology } from '#compose/topology/types.ts';
import { SallyportError } from '#core/errors/error.ts';
import type { Cluster, Json, JsonObject, Listener } from '../model/json.ts';
import { applyPatch, type Patch, type PatchableType, patchMatches } from '../model/patch.ts';
import type { MeshModel } from '../model/schema.ts';
import { bootstrap } from './bootstrap.ts';
import { tracingClusters } from './clusters.ts';
import { buildContext } from './context.ts';
import { joinInline } from './inline.ts';
import { partsOfRole } from './roles.ts';
import { secrets } from './tls.ts';

/** A resource and the name by which others refer to it. */
export interface RenderedResource {
  readonly name: string;
  readonly body: JsonObject;
}

/** One sidecar's whole configuration as plain JSON. */
export interface RenderedPod {
  readonly pod: string;
  readonly bootstrap: JsonObject;
  readonly xds: Readonly<Record<XdsType, readonly RenderedResource[]>>;
}

export interface RenderOptions {
  readonly patches?: readonly Patch[];
  /** Names of pods that get no new calls through shared clusters. */
  readonly draining?: ReadonlySet<string>;
  /** Is told of each patch that was applied. */
  readonly onPatched?: (patch: Patch) => void;
}

/** The configuration of one pod's sidecar: a function of its arguments alone. NOT_FOUND if there is no such pod. */
export function renderPod(
  model: MeshModel,
  topology: Topology,
  podName: string,
  o: RenderOptions = {},
): RenderedPod {
  const ctx = buildContext(model, topology, podName, o.draining);
  const parts = partsOfRole[ctx.pod.role].map((build) => build(ctx));
  const patched = (type: PatchableType, name: string, body: JsonObject): RenderedResource => {
    const fitting = (o.patches ?? []).filter((patch) =>
      patchMatches(patch, { type, name, role: ctx.pod.role, pod: podName }),
    );
    let result: Json = body;
    for (const patch of fitting) {
      result = applyPatch(result, patch);
      o.onPatched?.(patch);
    }
    return { name, body: result as JsonObject };
  };
  // Endpoints and routes are patched under their own names first, wherever they will stand then.
  const joined = joinInline({
    endpoints: parts
      .flatMap((part) => part.endpoints)
      .map((r) => patched('ClusterLoadAssignment', r.cluster_name, r)),
    routes: parts.flatMap((part) => part.routes).map((r) => patched('RouteConfiguration', r.name, r)),
    clusters: [...parts.flatMap((part) => part.clusters), ...tracingClusters(ctx)].map(resource),
    listeners: parts.flatMap((part) => part.listeners).map(resource),
  });
  return {
    pod: podName,
    bootstrap: patched('Bootstrap', podName, bootstrap(ctx)).body,
    xds: {
      sds: secrets(ctx).map((r) => patched('Secret', r.name, r)),
      eds: joined.endpoints,
      cds: joined.clusters.map((r) => patched('Cluster', r.name, r.body)),
      rds: joined.routes,
      lds: joined.listeners.map((r) => patched('Listener', r.name, r.body)),
    },
  };
}

const resource = (body: Cluster | Listener): RenderedResource => ({ name: body.name, body });

/** Every pod's configuration; CONFIG_INVALID if a patch fits nowhere. */
export function renderMesh(model: MeshModel, topology: Topology, o: RenderOptions = {}): RenderedPod[] {
  const used = new Set<Patch>();
  const onPatched = (patch: Patch): void => {
    used.add(patch);
    o.onPatched?.(patch);
  };
  const pods = topology.pods.map((pod) => renderPod(model, topology, pod.name, { ...o, onPatched }));
  const idle = (o.patches ?? []).filter((patch) => !used.has(patch));
  if (idle.length > 0)
    throw new SallyportError('CONFIG_INVALID', {
      message: idle
        .map((patch) => `${patch.source}: nothing matches ${JSON.stringify(patch.match)}`)
        .join('\n'),
      hint: 'names are in what `sallyport mesh render` writes',
    });
  return pods;
}
