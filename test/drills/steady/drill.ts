import type { DrillDefinition } from '../drill.ts';

export const drill: DrillDefinition = {
  about: 'nothing is broken: decisions find their sessions where they arrive, and a revocation cuts at once',
  // Stalls are for information: what the machine does by itself.
  failures: [{ name: 'steady', goals: {}, victims: () => [] }],
};
