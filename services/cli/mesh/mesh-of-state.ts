import { join } from 'node:path';
import type { Mesh } from '#compose/runner/mesh.ts';
import { type RunState, readRunState } from '#compose/runner/run-file.ts';
import { defaultNames } from '#compose/topology/embedded.ts';
import { secretsDir } from '#compose/topology/paths.ts';
import type { Topology } from '#compose/topology/types.ts';
import { SallyportError } from '#core/errors/error.ts';
import { isAlive } from '#kernel/lifecycle/process-identity.ts';

/** What a process that does not own the mesh can know of it. */
export interface MeshFacts extends Pick<Mesh, 'stateDir' | 'edgeUrls' | 'publicCa' | 'demo'> {
  readonly pods: RunState['pods'];
  readonly state: RunState;
}

export function meshOfState(stateDir: string, state: RunState): MeshFacts {
  return {
    stateDir,
    state,
    pods: state.pods,
    edgeUrls: state.edgeUrls,
    publicCa: state.publicCa,
    demo: { user: 'anna', passwordFile: join(secretsDir({ stateDir }), 'demo-password') },
  };
}

/** The mesh that runs on the folder. @throws MESH_NOT_RUNNING */
export function runningMesh(stateDir: string): MeshFacts {
  const state = readRunState(stateDir);
  if (state === undefined || state.state === 'stopped') {
    throw new SallyportError('MESH_NOT_RUNNING', { message: `no mesh is running on ${stateDir}` });
  }
  if (!isAlive(state.runner)) {
    throw new SallyportError('MESH_NOT_RUNNING', {
      message: `the runner of the mesh on ${stateDir} has died`,
      hint: '`sallyport up` clears what it has left and starts anew; `sallyport down` only clears',
    });
  }
  return meshOfState(stateDir, state);
}

/** The same, undefined when none runs. @throws CONFIG_INVALID when its run file cannot be read */
export function meshIfRunning(stateDir: string): MeshFacts | undefined {
  try {
    return runningMesh(stateDir);
  } catch (error) {
    if (SallyportError.from(error).reason === 'MESH_NOT_RUNNING') return undefined;
    throw error;
  }
}

/** The topology of a mesh, as it was started. */
export const topologyOf = ({ stateDir, state }: MeshFacts): Topology => ({
  ...defaultNames,
  stateDir,
  runDir: state.runDir,
  master: state.master,
  pods: state.pods as Topology['pods'],
});
