import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deviceOptions } from '#compose/demo/phone.ts';
import { type Mesh, type MeshOptions, startMesh } from '#compose/runner/mesh.ts';
import { livingProcesses, type NamedProcess } from '#compose/runner/orphans.ts';
import { type RunState, readRunState } from '#compose/runner/run-file.ts';
import { isAlive } from '#kernel/lifecycle/process-identity.ts';
import { Device } from '#sdk/device.ts';
import { enroll } from '#sdk/enroll.ts';
import { memoryStore } from '#sdk/enrolment-store.ts';
import type { SdkListener } from '#sdk/events.ts';
import { createActivation, type OperatorPlaces } from '#services/cli/operator.ts';

export interface OwnMesh {
  readonly mesh: Mesh;
  /** What the runner has said. */
  readonly said: readonly string[];
  /** For the operator's calls. */
  readonly places: OperatorPlaces;
  /** Stops it and removes its folder. Resolves to what it has left behind, which is to be nothing. */
  close(): Promise<string[]>;
}

/** A mesh of this suite's own, in a temporary folder. */
export async function ownMesh(
  options: Partial<Pick<MeshOptions, 'sizes' | 'durability' | 'stateDir'>> = {},
): Promise<OwnMesh> {
  const stateDir = options.stateDir ?? temporaryState();
  const said: string[] = [];
  // mocha ends at once when it is told to, and a runner's processes would outlive it.
  const onTerm = (): void => {
    killAll(stateDir);
    process.exit(143);
  };
  process.once('SIGTERM', onTerm);
  try {
    const mesh = await startMesh({
      durability: 'relaxed',
      ...options,
      stateDir,
      env: process.env,
      progress: (line) => said.push(line),
    });
    return {
      mesh,
      said,
      places: placesOf(stateDir),
      close: async () => {
        const before = mesh.processes();
        await mesh.stop();
        process.off('SIGTERM', onTerm);
        const left = alive(before);
        removeState(stateDir);
        return left;
      },
    };
  } catch (error) {
    process.off('SIGTERM', onTerm);
    throw error;
  }
}

export const temporaryState = (): string => mkdtempSync(join(tmpdir(), 'sp-mesh-'));

/** Removes a state folder and the sockets that belong to it. */
export function removeState(stateDir: string): void {
  const runDir = readRunState(stateDir)?.runDir;
  if (runDir !== undefined) rmSync(runDir, { recursive: true, force: true });
  rmSync(stateDir, { recursive: true, force: true });
}

/** Names of those processes that still live. */
export const alive = (processes: readonly NamedProcess[]): string[] =>
  processes.filter(({ identity }) => isAlive(identity)).map(({ name }) => name);

/** Kills what runs on a state folder, its runner too, unless that is this process. For clean-up. */
export function killAll(stateDir: string): void {
  const state = readRunState(stateDir);
  if (state === undefined) return;
  const runner = { name: 'runner', identity: state.runner };
  const mine = state.runner.pid === process.pid;
  for (const { identity } of [...(mine ? [] : [runner]), ...livingProcesses(state)]) {
    if (isAlive(identity)) process.kill(identity.pid, 'SIGKILL');
  }
}

/** The run file of a mesh that has one. */
export function stateOf(stateDir: string): RunState {
  const state = readRunState(stateDir);
  if (state === undefined) throw new Error(`there is no run file in ${stateDir}`);
  return state;
}

export function placesOf(stateDir: string): OperatorPlaces {
  return { stateDir, pods: stateOf(stateDir).pods };
}

export interface TestDevice {
  readonly device: Device;
  /** What its sessions are opened with. */
  readonly credentials: { readonly user: string; readonly password: string; readonly origin: string };
}

/** A device that is enrolled for the demo's user, by way of an edge. */
export async function enrolDevice(
  mesh: Pick<Mesh, 'stateDir' | 'publicCa' | 'demo'>,
  o: { readonly listener?: SdkListener; readonly streams?: boolean } = {},
): Promise<TestDevice> {
  const { user, passwordFile } = mesh.demo;
  const given = deviceOptions({ publicCa: mesh.publicCa, ...(o.listener && { listener: o.listener }) });
  const options = {
    ...given,
    store: memoryStore(),
    connect: (url: string) => {
      const edge = given.connect(url);
      return { ...edge, streams: o.streams ?? edge.streams };
    },
  };
  const activation = await createActivation(placesOf(mesh.stateDir), { user, appId: given.app.appId });
  await enroll(activation, { ...options, deviceName: 'test phone' });
  const password = readFileSync(passwordFile, 'utf8').trim();
  return {
    device: await Device.load(options),
    credentials: { user, password, origin: 'https://intranet.example' },
  };
}
