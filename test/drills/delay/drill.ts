import type { DrillDefinition } from '../drill.ts';
import { onHosts } from '../hosts.ts';

export const drill: DrillDefinition = {
  ...onHosts,
  about: 'the hosts are suddenly 20 ms apart, each way, for some seconds',
  failures: [
    // A request then takes that much longer: there is no goal for a stall.
    { name: '20 ms between hosts', goals: {}, victims: () => [], lasts: [8000, 12_000] },
  ],
};
