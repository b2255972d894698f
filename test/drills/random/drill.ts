import type { DrillDefinition } from '../drill.ts';
import { twoBackends } from '../targets.ts';

export const drill: DrillDefinition = {
  about: 'one failure after the other, of any kind, on any process, chosen by the seed',
  mesh: twoBackends,
  failures: [
    { name: 'eight random failures', goals: { relay: 4000, login: 4000, write: 8000 }, victims: () => [] },
  ],
};
