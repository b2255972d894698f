import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { podDir } from '#compose/topology/paths.ts';
import { removeState, temporaryState } from '../../mesh-state.ts';
import type { DrillDefinition } from '../drill.ts';
import { diskPod } from './disk.ts';

/** Room for a node's data (100 MB from the template, and logs), and not much more. */
const size = '320m';

export const drill: DrillDefinition = {
  about: "a database node's disk is full for some seconds",
  prepare: async () => {
    const stateDir = temporaryState();
    const disk = podDir({ stateDir, runDir: '' }, diskPod);
    mkdirSync(disk, { recursive: true, mode: 0o700 });
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size},mode=0700`, 'sallyport-drill', disk]);
    } catch (cause) {
      removeState(stateDir);
      throw new Error('a small disk cannot be mounted here; this drill needs root', { cause });
    }
    let mounted = true;
    const release = (): void => {
      if (!mounted) return;
      mounted = false;
      // Lazily: when a run is ended by a signal, what is being killed may still have files open there.
      execFileSync('umount', ['--lazy', disk]);
      removeState(stateDir);
    };
    // An interrupted run ends with its mesh, and nobody closes the ground.
    process.once('exit', release);
    return {
      stateDir,
      close: () => {
        process.off('exit', release);
        release();
      },
    };
  },
  failures: [
    {
      name: "a database node's disk is full",
      goals: { relay: 500, login: 1000, write: 8000 },
      victims: () => [{ pod: diskPod, part: 'mysqld' }],
      lasts: [8000, 12_000],
    },
  ],
};
