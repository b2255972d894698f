import { readFileSync } from 'node:fs';

/** The unit of times in /proc/<pid>/stat: USER_HZ, 100 on every Linux that Node runs on (proc(5)). */
const ticksPerSecond = 100;

/** CPU seconds, user and system, that the process has used with all of its threads; to 10 ms. */
export function cpuSecondsOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The name in parentheses may hold blanks; utime and stime are fields 14 and 15 (proc(5)).
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
}

/** Resident memory of the process in bytes. */
export function residentBytesOf(pid: number): number {
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  if (kib === undefined) throw new Error(`/proc/${pid}/status names no resident memory`);
  return Number(kib) * 1024;
}
