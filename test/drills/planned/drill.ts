import type { DrillDefinition } from '../drill.ts';
import { changes } from './changes.ts';

export const drill: DrillDefinition = {
  about:
    'what an operator changes while the mesh runs is noticed by no device, unrepeatable requests included',
  // A backend that is restarted needs another one beside it.
  mesh: { sizes: { backendReplicas: 2 } },
  failures: changes.map(({ name }) => ({
    name,
    goals: { relay: 500, login: 500, write: 500 },
    victims: () => [],
  })),
};
