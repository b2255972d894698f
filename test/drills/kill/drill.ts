import type { DrillDefinition } from '../drill.ts';
import { targets } from '../targets.ts';

/** The table of issue 5: a crash is noticed at once, since the kernel closes what a process had open. */
const goals = { relay: 2000, login: 2000, write: 2000 };
const primaryGoals = { relay: 500, login: 1000, write: 8000 };

export const drill: DrillDefinition = {
  about: 'any one process is killed (SIGKILL), and no request that may be repeated fails',
  failures: targets.map(({ name, choose, database, alone, short }) => ({
    name: `SIGKILL ${name}`,
    goals: alone ? {} : database === 'primary' ? primaryGoals : goals,
    victims: choose,
    ...(short && { short }),
  })),
};
