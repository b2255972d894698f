import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { isAlive, type ProcessIdentity, processIdentity } from '#kernel/lifecycle/process-identity.ts';
import { waitFor } from '#kernel/time/wait-for.ts';
import type { RunState } from './run-file.ts';

/** How long an orphan may take to end by itself. */
const graceMs = 15_000;

export interface NamedProcess {
  readonly name: string;
  readonly identity: ProcessIdentity;
}

/** Every living process of a mesh: what its runner started, and the mysqlds that its agents started. */
export function livingProcesses(state: RunState): NamedProcess[] {
  const mysqlds = state.pods
    .filter((pod) => pod.role === 'db')
    .flatMap((pod) => {
      const identity = mysqldOf(state.runDir, pod.name);
      return identity === undefined ? [] : [{ name: `${pod.name} mysqld`, identity }];
    });
  return [...state.processes, ...mysqlds].filter(({ identity }) => isAlive(identity));
}

/** The mysqld of a db pod, by the file that its agent keeps. */
export function mysqldOf(runDir: string, pod: string): ProcessIdentity | undefined {
  try {
    return processIdentity.parse(JSON.parse(readFileSync(join(runDir, pod, 'mysqld.json'), 'utf8')));
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    // Being written by an agent that was killed in the middle of it: then there is no mysqld either.
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/**
 * Ends what a dead runner has left behind, by pid and start time: agents before their mysqlds, which they
 * would start again. Returns the names of what was ended.
 */
export async function endOrphans(state: RunState, progress: (line: string) => void): Promise<string[]> {
  const orphans = livingProcesses(state);
  if (orphans.length === 0) return [];
  progress(`ending ${orphans.length} processes that a runner which is gone has left behind`);
  const databases = new Set(orphans.filter(({ name }) => name.endsWith(' mysqld')));
  const others = orphans.filter((each) => !databases.has(each));
  // Not asked: an agent that is asked hands the role of primary over, which leads nowhere now.
  await end(others, 'SIGKILL');
  await end([...databases], 'SIGTERM');
  return orphans.map(({ name }) => name);
}

/** Removes the folder of sockets of a mesh that has stopped; whoever still lives in it keeps it. */
export function removeRunDir(state: RunState): void {
  if (livingProcesses(state).length === 0) rmSync(state.runDir, { recursive: true, force: true });
}

/** Sends the signal to each that is still the process it was, waits, and then kills what is left. */
export async function end(processes: readonly NamedProcess[], signal: NodeJS.Signals): Promise<void> {
  for (const each of processes) send(each, 'SIGCONT');
  for (const each of processes) send(each, signal);
  const gone = (): boolean => processes.every(({ identity }) => !isAlive(identity));
  try {
    await waitFor(gone, { timeoutMs: graceMs, what: 'processes to end' });
  } catch {
    // They had their time.
    for (const each of processes) send(each, 'SIGKILL');
    await waitFor(gone, { timeoutMs: graceMs, what: `${processes.map((p) => p.name).join(', ')} to die` });
  }
}

function send({ identity }: NamedProcess, signal: NodeJS.Signals): void {
  if (!isAlive(identity)) return;
  try {
    process.kill(identity.pid, signal);
  } catch (error) {
    // It ended just now.
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}
