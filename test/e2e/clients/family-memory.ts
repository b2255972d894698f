import { readdirSync, readFileSync } from 'node:fs';

/**
 * By how many MiB the memory of a process and its descendants has grown until it is stopped: the least of the second
 * half of all looks, for garbage comes and goes, and what is kept stays.
 */
export function familyMemory(pid: number): { stop(): number } {
  const first = mibOf(pid);
  const seen: number[] = [];
  const look = (): void => void seen.push(mibOf(pid) - first);
  const timer = setInterval(look, 200);
  return {
    stop: () => {
      clearInterval(timer);
      look();
      return Math.min(...seen.slice(seen.length >> 1));
    },
  };
}

/** Each process's private share: what they share is counted once. */
function mibOf(pid: number): number {
  const parents = new Map<number, number>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const parent = /^\d+ \(.*\) \S (\d+)/s.exec(read(`/proc/${name}/stat`))?.[1];
    if (parent !== undefined) parents.set(Number(name), Number(parent));
  }
  const isOf = (each: number | undefined): boolean =>
    each === pid || (each !== undefined && each > 1 && isOf(parents.get(each)));
  const kib = [...parents.keys()]
    .filter(isOf)
    .map((each) => Number(/^Pss:\s+(\d+) kB$/m.exec(read(`/proc/${each}/smaps_rollup`))?.[1] ?? 0));
  return kib.reduce((sum, each) => sum + each, 0) / 1024;
}

/** Empty when the process has ended meanwhile. */
function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
