import type { DrillDefinition } from '../drill.ts';
import { targets, twoBackends } from '../targets.ts';

/** The table of issue 5: a crash is noticed at once, since the kernel closes what a process had open. */
const goals = { relay: 2000, login: 2000, write: 2000 };
const primaryGoals = { relay: 500, login: 1000, write: 8000 };

export const drill: DrillDefinition = {
  about: 'any one process is killed (SIGKILL), and no request that may be repeated fails',
  mesh: twoBackends,
  failures: targets.map(({ name, choose, database, short }) => ({
    name: `SIGKILL ${name}`,
    goals: database === 'primary' ? primaryGoals : goals,
    victims: choose,
    ...(short && { short }),
  })),
};
