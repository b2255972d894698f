import { join } from 'node:path';
import { podDir } from '#compose/topology/paths.ts';

/** The pod whose folder is a small disk of its own. */
export const diskPod = 'db-1';

/** The file that fills it. */
export const ballast = (stateDir: string): string =>
  join(podDir({ stateDir, runDir: '' }, diskPod), 'ballast');
