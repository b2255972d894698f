import type { DrillDefinition } from '../drill.ts';
import { targets, twoBackends } from '../targets.ts';

const goals = { relay: 2000, login: 2000, write: 2000 };
const primaryGoals = { relay: 500, login: 1000, write: 8000 };

export const drill: DrillDefinition = {
  about:
    'any one process is told to end (SIGTERM) with nobody prepared for it, and no repeatable request fails',
  mesh: twoBackends,
  failures: targets.map(({ name, choose, database, short }) => ({
    name: `SIGTERM ${name}`,
    goals: database === 'primary' ? primaryGoals : goals,
    victims: choose,
    ...(short && name === 'a security pod' && { short }),
  })),
};
