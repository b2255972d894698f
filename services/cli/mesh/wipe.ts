import { readdirSync, rmdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { readRunState } from '#compose/runner/run-file.ts';
import { stopMesh } from '#compose/runner/stop-mesh.ts';
import { SallyportError } from '#core/errors/error.ts';
import { isAlive } from '#kernel/lifecycle/process-identity.ts';

/** All that a mesh keeps in its folder. */
const ours = [
  'pods',
  'backends',
  'pki',
  'secrets',
  'devices',
  'login.json',
  'start.lock',
  'run.json',
  'settings.json',
  'applied',
  'backup.json',
  'ports.json',
  'restore.unfinished',
  'restore.installing',
  'restore.key',
  'restore.lock',
];
const logs = /^runner\.log(\.1)?$/;
/** A folder with none of these together was never a mesh's: others have a `secrets` or a `pods`, too. */
const marks = [['run.json'], ['settings.json'], ['pki', 'secrets'], ['pki', 'pods']];

/** @throws MESH_RUNNING when a living runner holds the folder */
export function refuseIfRunning(stateDir: string): void {
  const state = readRunState(stateDir);
  if (state === undefined || state.state === 'stopped' || !isAlive(state.runner)) return;
  throw new SallyportError('MESH_RUNNING', {
    message: `a mesh is running on ${stateDir} (process ${state.runner.pid})`,
  });
}

/**
 * Ends what a dead runner has left, and removes what a mesh keeps in its folder, and the folder, if nothing
 * else is in it.
 * @throws CONFIG_INVALID when the folder holds other things and nothing of a mesh
 */
export async function wipe(stateDir: string, progress: (line: string) => void): Promise<void> {
  if (statSync(stateDir, { throwIfNoEntry: false }) === undefined) return;
  const there = readdirSync(stateDir);
  if (there.length > 0 && !marks.some((mark) => mark.every((name) => there.includes(name)))) {
    throw new SallyportError('CONFIG_INVALID', {
      message: `${stateDir} is not the folder of a mesh; nothing was removed`,
      hint: 'look at what is in it, and choose another one with --state',
    });
  }
  const { runDir } = readRunState(stateDir) ?? {};
  await stopMesh(stateDir, progress);
  // Sockets of processes that are gone.
  if (runDir !== undefined && /\/sallyport-\d+\/[0-9a-f]{8}$/.test(runDir)) {
    rmSync(runDir, { recursive: true, force: true });
  }
  for (const name of there) {
    if (ours.includes(name) || logs.test(name))
      rmSync(join(stateDir, name), { recursive: true, force: true });
  }
  if (readdirSync(stateDir).length === 0) rmdirSync(stateDir);
  progress(`removed what was in ${stateDir}`);
}
