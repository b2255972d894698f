import type { DrillDefinition } from '../drill.ts';
import { onHosts, primaryHost } from '../hosts.ts';

export const drill: DrillDefinition = {
  ...onHosts,
  about: 'the database primary lives on, on a host of its own, and nothing passes between that and anybody',
  databaseHosts: ['db-host-0', 'db-host-1', 'db-host-2'],
  failures: [
    {
      name: 'partition of the database primary',
      goals: { relay: 500, login: 1000, write: 8000 },
      victims: primaryHost,
      lasts: [12_000, 20_000],
    },
  ],
};
