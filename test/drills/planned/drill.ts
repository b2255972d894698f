import type { DrillDefinition } from '../drill.ts';
import { twoBackends } from '../targets.ts';
import { changes } from './changes.ts';

export const drill: DrillDefinition = {
  about:
    'what an operator changes while the mesh runs is noticed by no device, unrepeatable requests included',
  mesh: twoBackends,
  failures: changes.map(({ name }) => ({
    name,
    goals: { relay: 500, login: 500, write: 500 },
    victims: () => [],
    unnoticed: true,
  })),
};
