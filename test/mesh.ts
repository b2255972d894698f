/**
 * Real meshes for integration suites: `sharedMesh` for those that only use one, `ownMesh` for those that
 * break things. Both have everything that `npm start` has, but for workers: those that need them ask for them.
 */
import { readFileSync } from 'node:fs';
import { demoApp } from '#compose/demo/app.ts';
import { type Phone, type PhoneOptions, startPhone } from '#compose/demo/phone.ts';
import { type Mesh, type MeshOptions, startMesh } from '#compose/runner/mesh.ts';
import { isAlive } from '#kernel/lifecycle/process-identity.ts';
import { type MeshFacts, runningMesh } from '#services/cli/mesh/mesh-of-state.ts';
import { createActivation } from '#services/cli/operator.ts';
import { whenProcessEnds } from './leave-nothing.ts';
import { killAll, removeState, temporaryState } from './mesh-state.ts';

/** A mesh that a test may call, and must not change. */
export interface SharedMesh extends MeshFacts {
  /** Gives it back; the last one stops it. */
  release(): Promise<void>;
}

export interface OwnMesh extends Mesh {
  /** What happened, as the runner told it. */
  readonly told: readonly string[];
  /** Stops it, sees that nothing of it lives on, and removes its folder. Harmless when repeated. */
  close(): Promise<void>;
}

export type OwnMeshOptions = Partial<Omit<MeshOptions, 'env' | 'progress'>> & {
  /** Default: the runner's lines are kept for the error message only. */
  readonly progress?: (line: string) => void;
};

/**
 * For hooks that start a mesh: longer than the runner itself takes to give up, so that what is reported is its
 * reason, and not that a hook took too long.
 */
export const meshStartMs = 300_000;

/** Names the folder of a mesh that runs already; suites then share it across processes. */
const stateVariable = 'SALLYPORT_TEST_STATE';

let shared: { readonly mesh: Promise<OwnMesh>; users: number } | undefined;

/** The mesh of SALLYPORT_TEST_STATE, else one that all suites of this process share. */
export async function sharedMesh(): Promise<SharedMesh> {
  const given = process.env[stateVariable];
  if (given !== undefined && given !== '') return { ...runningMesh(given), release: async () => {} };
  shared ??= { mesh: ownMesh(), users: 0 };
  const mine = shared;
  mine.users += 1;
  const mesh = await mine.mesh;
  let released = false;
  return {
    ...runningMesh(mesh.stateDir),
    release: async () => {
      if (released) return;
      released = true;
      mine.users -= 1;
      if (mine.users > 0) return;
      if (shared === mine) shared = undefined;
      await mesh.close();
    },
  };
}

/** A mesh of this test's own, in a temporary folder unless `stateDir` is given (which is kept). */
export async function ownMesh(options: OwnMeshOptions = {}): Promise<OwnMesh> {
  const temporary = options.stateDir === undefined;
  const stateDir = options.stateDir ?? temporaryState();
  // A runner's processes would outlive it.
  const forget = whenProcessEnds(() => {
    killAll(stateDir);
    remove();
  });
  const remove = (): void => {
    forget();
    if (temporary) removeState(stateDir);
  };
  const told: string[] = [];
  const { progress, ...rest } = options;
  let mesh: Mesh;
  try {
    mesh = await startMesh({
      // Tests kill processes, not the machine.
      durability: 'relaxed',
      ...rest,
      sizes: { workers: 0, ...rest.sizes },
      stateDir,
      env: process.env,
      progress: (line) => {
        told.push(line);
        progress?.(line);
      },
    });
  } catch (error) {
    process.stderr.write(`${told.join('\n')}\n`);
    remove();
    throw error;
  }
  const own = { told, close: once(() => closeMesh(mesh, remove)) };
  // With its getters: topology and edges change when it is scaled.
  return Object.defineProperties(own, Object.getOwnPropertyDescriptors(mesh)) as unknown as OwnMesh;
}

async function closeMesh(mesh: Mesh, remove: () => void): Promise<void> {
  const before = mesh.processes();
  await mesh.stop();
  remove();
  const left = before.filter(({ identity }) => isAlive(identity));
  if (left.length > 0) throw new Error(`the mesh left behind: ${left.map(({ name }) => name).join(', ')}`);
}

function once(run: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | undefined;
  return () => {
    running ??= run();
    return running;
  };
}

/** An activation string for the demo's user, or another one. */
export function activationFor(
  mesh: Pick<Mesh, 'stateDir' | 'demo'>,
  user: string = mesh.demo.user,
): Promise<string> {
  return createActivation(runningMesh(mesh.stateDir), { user, appId: demoApp.appId });
}

/** The password of the demo's user. */
export const demoPassword = (mesh: Pick<Mesh, 'demo'>): string =>
  readFileSync(mesh.demo.passwordFile, 'utf8').trim();

/** A phone of the demo's user, enrolled and logged in. Close it before the mesh. */
export async function startTestPhone(
  mesh: Pick<Mesh, 'stateDir' | 'demo' | 'publicCa'>,
  options: Partial<PhoneOptions> = {},
): Promise<Phone> {
  return startPhone({
    publicCa: mesh.publicCa,
    user: mesh.demo.user,
    password: demoPassword(mesh),
    ...options,
    activation: options.activation ?? (await activationFor(mesh)),
  });
}
