import { podsOf } from '#compose/topology/query.ts';
import type { DrillDefinition } from '../drill.ts';

export const drill: DrillDefinition = {
  about:
    'all security pods hang for longer than a lease lives: then nothing is relayed, and later nothing is lost',
  failures: [
    {
      name: 'SIGSTOP all security pods',
      goals: {},
      victims: ({ topology }) =>
        podsOf(topology, 'security').map(({ name }) => ({ pod: name, part: 'process' })),
      // Some longer than the feed may be unread (20 s), some not.
      lasts: [16_000, 26_000],
    },
  ],
};
