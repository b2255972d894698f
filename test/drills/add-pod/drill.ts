import type { DrillDefinition } from '../drill.ts';

export const drill: DrillDefinition = {
  about: 'one more security pod takes its share of the sessions and leaves the others where they are',
  failures: [
    {
      name: 'a security pod more',
      goals: { relay: 500, login: 500, write: 500 },
      victims: () => [],
    },
  ],
};
