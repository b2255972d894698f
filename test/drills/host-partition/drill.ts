import type { DrillDefinition } from '../drill.ts';
import { hostGoals, onHosts, primaryHost } from '../hosts.ts';

export const drill: DrillDefinition = {
  ...onHosts,
  about: 'a host of three lives on, but nothing passes between it and anybody, phones included',
  failures: [
    {
      name: 'partition of the host of the database primary',
      goals: hostGoals,
      victims: primaryHost,
      // Some longer than the feed may be unread (20 s), some not.
      lasts: [12_000, 26_000],
    },
  ],
};
