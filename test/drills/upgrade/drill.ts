import { removeState, temporaryState } from '../../mesh-state.ts';
import type { DrillDefinition } from '../drill.ts';
import { launchFrom, newestRelease, release, unpackRelease } from './releases.ts';

export const drill: DrillDefinition = {
  about: 'a rolling upgrade with a migration, of a mesh under load, is noticed by no device',
  mesh: { sizes: { backendReplicas: 2 }, launch: launchFrom(release) },
  prepare: async () => {
    const tag = newestRelease();
    const unpacked = tag === undefined ? undefined : unpackRelease(tag);
    const stateDir = temporaryState();
    Object.assign(release, { root: unpacked?.root, old: unpacked?.root, migrations: 0 });
    return {
      stateDir,
      close: () => {
        unpacked?.remove();
        removeState(stateDir);
      },
    };
  },
  failures: [
    {
      name: 'rolling upgrade with a migration',
      goals: { relay: 500, login: 500, write: 500 },
      victims: () => [],
    },
  ],
};
