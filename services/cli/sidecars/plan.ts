import { existsSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { withTelemetry } from '#compose/runner/telemetry.ts';
import { podNamed } from '#compose/topology/query.ts';
import { type PodRole, podRoles, type Topology } from '#compose/topology/types.ts';
import { SallyportError } from '#core/errors/error.ts';
import { goldenTopology } from '#envoy/golden-topology.ts';
import { loadMesh, loadPatches, shippedMeshFile, shippedPatchesDir } from '#envoy/model/load.ts';
import type { Patch } from '#envoy/model/patch.ts';
import type { MeshModel } from '#envoy/model/schema.ts';
import type { CommandContext, CommonOptions } from '../command.ts';
import { type MeshFacts, meshIfRunning, topologyOf } from '../mesh/mesh-of-state.ts';

/** Options of commands that work on a configuration. */
export interface PlanOptions extends CommonOptions {
  readonly file?: string;
  readonly patches?: string;
}

/** A configuration, and the mesh that it is meant for. */
export interface Plan {
  readonly model: MeshModel;
  readonly patches: readonly Patch[];
  readonly topology: Topology;
  /** The mesh that runs on the state folder; without one the topology is that of the examples in envoy/golden. */
  readonly mesh: MeshFacts | undefined;
  /** The mesh.yaml. */
  readonly file: string;
}

/**
 * The configuration of `--file` and `--patches`, else the one that the running mesh was started with.
 * @throws CONFIG_INVALID naming file, field and rule
 */
export function planOf({ file, patches }: PlanOptions, { cwd, stateDir }: CommandContext): Plan {
  const mesh = meshIfRunning(stateDir);
  const meshFile = file === undefined ? (mesh?.state.meshFile ?? shippedMeshFile) : resolve(cwd, file);
  const patchesDir =
    patches === undefined ? (mesh?.state.patchesDir ?? shippedPatchesDir) : resolve(cwd, patches);
  if (!existsSync(meshFile)) throw missing(meshFile, 'name a mesh.yaml; it may hold only what differs');
  if (!existsSync(patchesDir) || !statSync(patchesDir).isDirectory())
    throw missing(patchesDir, 'name the folder of the patches, as envoy/patches is one');
  return {
    // Where traces go is an option of `up`, not of the file.
    model: withTelemetry(loadMesh(meshFile), mesh?.state.telemetry as Parameters<typeof withTelemetry>[1]),
    patches: loadPatches(patchesDir),
    topology: mesh === undefined ? goldenTopology() : topologyOf(mesh),
    mesh,
    file: meshFile,
  };
}

/** Names of the pods that are meant by a name or a role; all of them without either. @throws NOT_FOUND */
export function chosenPods(topology: Topology, pod: string | undefined, role: PodRole | undefined): string[] {
  if (pod !== undefined) return [podNamed(topology, pod).name];
  const chosen = topology.pods.filter((each) => role === undefined || each.role === role);
  if (chosen.length === 0) {
    const there = podRoles.filter((each) => topology.pods.some((other) => other.role === each));
    throw new SallyportError('NOT_FOUND', {
      message: `there is no pod of role ${role}`,
      hint: `roles of this mesh are ${there.join(', ')}`,
    });
  }
  return chosen.map(({ name }) => name);
}

const missing = (path: string, hint: string): SallyportError =>
  new SallyportError('NOT_FOUND', { message: `there is no ${path}`, hint });
