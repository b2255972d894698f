import { join } from 'node:path';
import { withLock } from '#compose/parts/lock.ts';
import { SallyportError } from '#core/errors/error.ts';
import { isAlive } from '#kernel/lifecycle/process-identity.ts';
import { waitFor } from '#kernel/time/wait-for.ts';
import { endOrphans, removeRunDir } from './orphans.ts';
import { type RunState, readRunState, writeRunState } from './run-file.ts';

/** Milliseconds for a mesh to stop in order. */
const stopMs = 90_000;

/**
 * Stops the mesh of a state folder from another process: asks its runner, or, if that is gone, ends what
 * it has left behind. Resolves to false when nothing was running.
 * @throws DEADLINE when it does not stop in time
 */
export async function stopMesh(stateDir: string, progress: (line: string) => void): Promise<boolean> {
  const state = readRunState(stateDir);
  if (state === undefined || state.state === 'stopped') return false;
  if (!isAlive(state.runner)) return clearAway(stateDir, progress);
  if (state.runner.pid === process.pid) {
    throw new SallyportError('INTERNAL', { message: 'a runner stops its own mesh by its handle' });
  }
  progress(`asking the runner (process ${state.runner.pid}) to stop`);
  process.kill(state.runner.pid, 'SIGTERM');
  await waitFor(() => !isAlive(state.runner) || readRunState(stateDir)?.state === 'stopped', {
    timeoutMs: stopMs,
    everyMs: 100,
    what: 'the mesh to stop',
  });
  return true;
}

/** Ends what a dead runner has left; not while another one starts, which does the same. */
async function clearAway(stateDir: string, progress: (line: string) => void): Promise<boolean> {
  const parts = { env: process.env, progress };
  const cleared = await withLock(
    join(stateDir, 'start.lock'),
    'starting on this state folder',
    parts,
    async () => {
      const state = readRunState(stateDir);
      if (state === undefined || state.state === 'stopped') return false;
      if (isAlive(state.runner)) return 'started';
      const ended = await endOrphans(state, progress);
      const stopped: RunState = { ...state, state: 'stopped', processes: [] };
      writeRunState(stateDir, stopped);
      removeRunDir(stopped);
      return ended.length > 0;
    },
  );
  return cleared === 'started' ? stopMesh(stateDir, progress) : cleared;
}
