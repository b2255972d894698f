import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { z } from 'zod';

/** A process for good: pids are used again, pairs of pid and start time are not. */
export const processIdentity = z.object({ pid: z.int().positive(), startTime: z.string().min(1) });
export type ProcessIdentity = z.infer<typeof processIdentity>;

/**
 * When the process started, in whatever form the system tells it; undefined if there is none (a zombie
 * counts as none). Linux: field 22 of /proc/<pid>/stat (proc_pid_stat(5)). Elsewhere: ps.
 */
export function startTimeOf(pid: number): string | undefined {
  try {
    if (process.platform !== 'linux') {
      return (
        execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' }).trim() || undefined
      );
    }
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The second field is the name in parentheses, which may hold anything.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19];
  } catch {
    // No such process: both ways of asking fail then.
    return undefined;
  }
}

export const isAlive = (id: ProcessIdentity): boolean => startTimeOf(id.pid) === id.startTime;

/** The command line of a process, blank-separated; empty if there is none or the system does not tell. */
export function commandLineOf(pid: number): string {
  try {
    return process.platform === 'linux'
      ? readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')
      : execFileSync('ps', ['-o', 'command=', '-p', String(pid)], { encoding: 'utf8' });
  } catch {
    // As above.
    return '';
  }
}
