import type { DrillDefinition } from '../drill.ts';

export const drill: DrillDefinition = {
  about: 'pages of the intranet that take seconds hold up nobody who asks for others',
  failures: [
    {
      name: 'slow backend',
      goals: { relay: 500, login: 500 },
      victims: () => [{ pod: 'intranet-0', part: 'process' }],
      lasts: [5000, 8000],
    },
  ],
};
