import { readFileSync } from 'node:fs';

/**
 * Proportional set size of processes, summed, in MiB: shared pages count once (proc_pid_smaps(5)).
 * Undefined where the system does not tell (macOS).
 */
export function pssMib(pids: readonly number[]): number | undefined {
  if (process.platform !== 'linux') return undefined;
  let kib = 0;
  for (const pid of pids) kib += pssKib(pid);
  return kib / 1024;
}

function pssKib(pid: number): number {
  try {
    return Number(/^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1] ?? 0);
  } catch (error) {
    // It has just ended (ENOENT, ESRCH).
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ESRCH'))
      return 0;
    throw error;
  }
}
