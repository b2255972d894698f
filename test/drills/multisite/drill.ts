import type { DrillDefinition } from '../drill.ts';
import { hosts } from '../hosts.ts';

/** Of the slave site. */
export const slaveHosts = ['geneva-0'] as const;

/** Whoever logs in by an edge of the slave is sent to another one after 3 s (sdk/open-session.ts). */
const goals = { relay: 1000, login: 5000 };

export const drill: DrillDefinition = {
  about: 'the line between two sites is cut: local requests go on for as long as was promised, and then end',
  hosts,
  slaveHosts,
  failures: [
    { name: 'the line to the slave site is cut', goals, victims: () => [], lasts: [10_000, 10_000] },
    {
      name: 'the line to the slave site is cut, longer than a lease lives',
      goals,
      victims: () => [],
      lasts: [36_000, 40_000],
    },
  ],
};
