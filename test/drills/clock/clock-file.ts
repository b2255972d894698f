import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { LaunchOf } from '#compose/runner/programs.ts';
import { podDir } from '#compose/topology/paths.ts';
import type { Topology } from '#compose/topology/types.ts';
import { waitFor } from '#kernel/time/wait-for.ts';

const fileOf = (topology: Topology, pod: string): string => join(podDir(topology, pod), 'clock');

/** Starts processes with a clock that {@link stepClock} moves. */
export const steppedLaunch: LaunchOf = ({ name }, topology) => {
  const url = pathToFileURL(join(import.meta.dirname, 'stepped.ts'));
  url.searchParams.set('file', fileOf(topology, name));
  return { nodeArgs: ['--import', url.href] };
};

/** Moves a pod's wall clock to so many milliseconds ahead of the machine's, at once; resolves when it has taken it. */
export async function stepClock(topology: Topology, pod: string, aheadMs: number): Promise<void> {
  const file = fileOf(topology, pod);
  writeFileSync(`${file}.new`, String(aheadMs));
  renameSync(`${file}.new`, file);
  await waitFor(() => readFileSync(`${file}.seen`, { encoding: 'utf8', flag: 'a+' }) === String(aheadMs), {
    timeoutMs: 30_000,
    everyMs: 20,
    what: `${pod} to have another time`,
  });
}
