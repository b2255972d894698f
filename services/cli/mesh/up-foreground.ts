import { type Mesh, startMesh } from '#compose/runner/mesh.ts';
import { livingProcesses } from '#compose/runner/orphans.ts';
import { readRunState } from '#compose/runner/run-file.ts';
import type { CommandContext } from '../command.ts';
import type { Outcome } from '../report.ts';
import { runDemo } from './demo.ts';
import { meshSettings, type UpOptions } from './up-options.ts';
import { tellWhatToTry } from './what-to-try.ts';

/** Runs the mesh in this process until it is interrupted; then stops it, which counts as success. */
export async function upInForeground(options: UpOptions, command: CommandContext): Promise<Outcome> {
  const { report, stateDir, signal } = command;
  const mesh = await startHere(options, command);
  try {
    report.progress('the mesh is up');
    const owner = options.demo === true ? await runDemo(command) : undefined;
    if (options.followed !== true) {
      tellWhatToTry(command, owner);
      report.say('\nCtrl-C stops the mesh.\n');
    }
    await interrupted(signal);
  } finally {
    await mesh.stop();
  }
  report.progress('the mesh is down');
  return { ok: true, items: { state: stateDir, edgeUrls: mesh.edgeUrls } };
}

/** Starts the mesh in this process; a second interrupt kills it. */
export function startHere(
  options: UpOptions,
  { env, report, stateDir, signal, onSecondInterrupt }: CommandContext,
): Promise<Mesh> {
  onSecondInterrupt(() => killOwn(stateDir));
  return startMesh({ stateDir, env, progress: report.progress, signal, ...meshSettings(options) });
}

/** At once and without waiting: this process is about to end. */
function killOwn(stateDir: string): void {
  const state = readRunState(stateDir);
  if (state?.runner.pid !== process.pid) return;
  for (const { identity } of livingProcesses(state)) {
    try {
      process.kill(identity.pid, 'SIGKILL');
    } catch (error) {
      // It ended just now.
      if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
    }
  }
}

/** Resolves when the signal is aborted, and keeps the process alive until then. */
export function interrupted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const alive = setInterval(() => {}, 2 ** 30);
    const end = (): void => {
      clearInterval(alive);
      resolve();
    };
    signal.addEventListener('abort', end, { once: true });
  });
}
