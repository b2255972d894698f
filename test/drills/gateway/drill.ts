import { podsOfGroup } from '#compose/topology/query.ts';
import type { DrillDefinition, Failure } from '../drill.ts';
import { chosen } from '../random.ts';
import { prepare } from './ground.ts';

const goals = { relay: 2000, login: 2000, write: 2000 };
const oneOf =
  (group: string, part: 'process' | 'sidecar'): Failure['victims'] =>
  ({ topology }, random) => [{ pod: chosen(random, podsOfGroup(topology, group)).name, part }];
/** Longer than until the watchdog ends it. */
const lasts = [12_000, 15_000] as const;

export const drill: DrillDefinition = {
  about:
    'all requests go through gateways, one is lost with calls in progress: what may be repeated is, by itself',
  prepare,
  failures: [
    { name: 'SIGKILL a gateway', goals, victims: oneOf('hr', 'process') },
    { name: "SIGKILL a gateway's sidecar", goals, victims: oneOf('hr', 'sidecar') },
    { name: 'SIGSTOP a gateway', goals, victims: oneOf('hr', 'process'), lasts },
    { name: 'SIGKILL a gateway that dials out', goals, victims: oneOf('far', 'process') },
    { name: 'SIGKILL the sidecar of a gateway that dials out', goals, victims: oneOf('far', 'sidecar') },
    { name: 'SIGSTOP a gateway that dials out', goals, victims: oneOf('far', 'process'), lasts },
  ],
};
