import { podNamed } from '#compose/topology/query.ts';
import type { Topology } from '#compose/topology/types.ts';
import type { Clock } from '#kernel/time/clock.ts';
import { renderMesh } from '../build/render.ts';
import type { Patch } from '../model/patch.ts';
import type { MeshModel } from '../model/schema.ts';
import type { Finding } from './finding.ts';
import { checkIdentities } from './identities.ts';
import { withPatches } from './patched-by.ts';
import { checkReferences } from './references.ts';
import { openScratch } from './scratch.ts';
import { tryPod } from './try-pod.ts';

export interface ValidateOptions {
  /** Path of the real Envoy that is asked. */
  readonly bin: string;
  readonly patches?: readonly Patch[];
  readonly draining?: ReadonlySet<string>;
  /** Names of the pods that are looked at; all by default. Patches must match somewhere in the mesh all the same. */
  readonly pods?: readonly string[];
  readonly clock: Clock;
  readonly signal?: AbortSignal;
  /** Told of each pod that has been through Envoy, with how many there are. */
  readonly onTried?: (pod: string, done: number, of: number) => void;
}

/** Envoys at a time: two cores are common, and each takes as many file watches as a sidecar. */
const atOnce = 2;

/**
 * Everything that can be known to be wrong with a configuration before a running Envoy sees it: names that
 * lead nowhere, peers that would be refused, and what a real Envoy refuses. Touches no running mesh.
 * @throws CONFIG_INVALID for a patch that fits nowhere; START_FAILED or DEADLINE if Envoy does not run here
 */
export async function validateMesh(
  model: MeshModel,
  topology: Topology,
  o: ValidateOptions,
): Promise<Finding[]> {
  const patches = o.patches ?? [];
  const draining = o.draining && { draining: o.draining };
  const wanted = new Set(o.pods ?? topology.pods.map(({ name }) => name));
  const rendered = renderMesh(model, topology, { patches, ...draining }).filter(({ pod }) => wanted.has(pod));
  const found = new Map<string, Finding[]>(
    rendered.map((pod) => [pod.pod, [...checkReferences(topology, pod), ...checkIdentities(topology, pod)]]),
  );
  const scratch = await openScratch(topology);
  try {
    const waiting = rendered.map(({ pod }) => pod);
    let done = 0;
    const work = async (): Promise<void> => {
      for (let pod = waiting.shift(); pod !== undefined; pod = waiting.shift()) {
        o.signal?.throwIfAborted();
        const refused = await tryPod(scratch, pod, {
          bin: o.bin,
          model,
          patches,
          ...draining,
          clock: o.clock,
          ...(o.signal && { signal: o.signal }),
        });
        found.get(pod)?.push(...refused);
        done += 1;
        o.onTried?.(pod, done, rendered.length);
      }
    };
    const ended = await Promise.allSettled(Array.from({ length: atOnce }, work));
    for (const each of ended) if (each.status === 'rejected') throw each.reason;
  } finally {
    scratch.close();
  }
  return rendered.flatMap((each) => {
    const pod = podNamed(topology, each.pod);
    return (found.get(each.pod) ?? []).map((one) => withPatches(one, pod, each, patches));
  });
}
