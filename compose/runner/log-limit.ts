import { copyFileSync, readdirSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { type Folders, logDir } from '#compose/topology/paths.ts';

/** Beyond so many bytes a log file begins anew; one older file is kept beside it. */
export const maxLogBytes = 10_000_000;

/**
 * Keeps the log files of pods, and the runner's own, within bounds. All of them are written by appending, so a file can be emptied
 * under its writer; what is written between the copy and the cut is lost, a few lines at most.
 */
export function limitLogs(folders: Folders, pods: readonly string[]): void {
  for (const dir of [folders.stateDir, ...pods.map((pod) => logDir(folders, pod))]) {
    for (const name of filesIn(dir)) {
      const file = join(dir, name);
      if (!name.endsWith('.log') || statSync(file).size <= maxLogBytes) continue;
      copyFileSync(file, `${file}.1`);
      truncateSync(file);
    }
  }
}

function filesIn(dir: string): string[] {
  try {
    return readdirSync(dir);
  } catch (error) {
    // The pod has not been started yet.
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw error;
  }
}
