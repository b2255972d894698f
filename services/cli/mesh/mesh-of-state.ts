import { join } from 'node:path';
import type { Mesh } from '#compose/runner/mesh.ts';
import { type RunState, readRunState } from '#compose/runner/run-file.ts';
import { secretsDir } from '#compose/topology/paths.ts';
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
