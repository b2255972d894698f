import { execFileSync } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { isOnPath } from './process.ts';

/** Servers under test run on the one, what loads them on the other. */
export const serverCore = 0;
export const loadCore = Math.min(1, availableParallelism() - 1);

const taskset = isOnPath('taskset') && availableParallelism() > 1;

/** Whether processes are pinned here; else the system places them. */
export const pinning = taskset;

/** The command, pinned to a core where `taskset` is there. */
export function pinnedTo(core: number, [program = '', ...args]: readonly string[]): [string, ...string[]] {
  return taskset ? ['taskset', '-c', String(core), program, ...args] : [program, ...args];
}

/** Pins a process that runs already, with all of its threads. */
export function pin(pid: number, core: number): void {
  if (taskset) execFileSync('taskset', ['-a', '-c', '-p', String(core), String(pid)], { stdio: 'ignore' });
}
