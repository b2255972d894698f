import type { DrillDefinition } from '../drill.ts';
import { targets, twoBackends } from '../targets.ts';

/** A hang must be found out first: by keepalives, health checks and time-outs. */
const goals = { relay: 4000, login: 4000, write: 4000 };
const primaryGoals = { relay: 500, login: 1000, write: 8000 };

export const drill: DrillDefinition = {
  about: 'any one process hangs (SIGSTOP) for some seconds and then goes on, and no repeatable request fails',
  mesh: twoBackends,
  failures: targets.map(({ name, choose, database, company, short }) => ({
    name: `SIGSTOP ${name}`,
    goals: company ? {} : database === 'primary' ? primaryGoals : goals,
    victims: choose,
    lasts: database === undefined ? ([5000, 9000] as const) : ([8000, 12_000] as const),
    ...(short && name === 'a proxy' && { short }),
  })),
};
