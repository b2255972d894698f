import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { livingProcesses, type NamedProcess } from '#compose/runner/orphans.ts';
import { type RunState, readRunState } from '#compose/runner/run-file.ts';
import { commandLineOf, isAlive } from '#kernel/lifecycle/process-identity.ts';

/** A folder for a mesh's state. */
export const temporaryState = (): string => mkdtempSync(join(tmpdir(), 'sp-test-mesh-'));

/** Removes a state folder and the sockets that belong to it. */
export function removeState(stateDir: string): void {
  const runDir = readRunState(stateDir)?.runDir;
  if (runDir !== undefined) rmSync(runDir, { recursive: true, force: true });
  rmSync(stateDir, { recursive: true, force: true });
}

/** The run file of a mesh that has one. */
export function stateOf(stateDir: string): RunState {
  const state = readRunState(stateDir);
  if (state === undefined) throw new Error(`there is no run file in ${stateDir}`);
  return state;
}

/** Names of those processes that still live. */
export const alive = (processes: readonly NamedProcess[]): string[] =>
  processes.filter(({ identity }) => isAlive(identity)).map(({ name }) => name);

/**
 * Command lines that name the state folder or its sockets' folder, whether or not the run file knows of the
 * process. Linux only; elsewhere none.
 */
export function processesAbout(stateDir: string): string[] {
  if (process.platform !== 'linux') return [];
  const folders = [stateDir, readRunState(stateDir)?.runDir ?? stateDir];
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .map((pid) => commandLineOf(Number(pid)))
    .filter((line) => folders.some((folder) => line.includes(folder)));
}

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
