import type { DrillDefinition } from '../drill.ts';
import { hostGoals, onHosts, primaryHost } from '../hosts.ts';

export const drill: DrillDefinition = {
  ...onHosts,
  about: 'a host of three is cut off from the other two while phones reach all three',
  failures: [
    {
      name: 'partition of the primary from the other hosts',
      goals: hostGoals,
      victims: primaryHost,
      // Some longer than the feed may be unread (20 s), some not.
      lasts: [12_000, 26_000],
    },
  ],
};
