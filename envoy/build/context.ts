import { podNamed } from '#compose/topology/query.ts';
import type { Pod, Topology } from '#compose/topology/types.ts';
import { tuningOf } from '../model/load.ts';
import type { MeshModel, Tuning } from '../model/schema.ts';

/** What every builder is given: the model, the topology, and the pod whose sidecar is being built. */
export interface BuildContext {
  readonly model: MeshModel;
  /** The model's common sections for this pod's role. */
  readonly tuning: Tuning;
  readonly topology: Topology;
  readonly pod: Pod;
  /** Pods that get no new calls through shared clusters; what they hold goes on. */
  readonly draining: ReadonlySet<string>;
}

export function buildContext(
  model: MeshModel,
  topology: Topology,
  podName: string,
  draining: ReadonlySet<string> = new Set(),
): BuildContext {
  const pod = podNamed(topology, podName);
  return { model, tuning: tuningOf(model, pod.role), topology, pod, draining };
}
