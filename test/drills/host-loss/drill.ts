import type { DrillDefinition } from '../drill.ts';
import { hostGoals, onHosts, primaryHost } from '../hosts.ts';

export const drill: DrillDefinition = {
  ...onHosts,
  about: 'a host of three is gone at once, with all that is on it, and comes back with empty memory',
  failures: [
    {
      name: 'loss of the host of the database primary',
      goals: hostGoals,
      victims: primaryHost,
      lasts: [12_000, 20_000],
    },
  ],
};
