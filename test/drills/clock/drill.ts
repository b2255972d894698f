import { podsOf } from '#compose/topology/query.ts';
import type { DrillDefinition, Failure } from '../drill.ts';
import { chosen } from '../random.ts';
import { steppedLaunch } from './clock-file.ts';

const oneOf =
  (role: 'security' | 'proxy'): Failure['victims'] =>
  ({ topology }, random) => [{ pod: chosen(random, podsOf(topology, role)).name, part: 'process' }];

export const drill: DrillDefinition = {
  about: "one pod's clock jumps by minutes and hours, forward and back, and nobody notices",
  mesh: { launch: steppedLaunch },
  failures: [
    {
      name: "a security pod's clock stepped by 5 min and 1 h, both ways",
      goals: { relay: 2000, login: 2000, write: 2000 },
      victims: oneOf('security'),
    },
    {
      name: "a proxy's clock stepped by 5 min and 1 h, both ways",
      goals: { relay: 2000, login: 2000, write: 2000 },
      victims: oneOf('proxy'),
    },
  ],
};
