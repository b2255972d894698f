import { podsOf } from '#compose/topology/query.ts';
import type { DrillDefinition, Failure } from '../drill.ts';
import { chosen } from '../random.ts';

const nodes: Failure['victims'] = ({ topology }) =>
  podsOf(topology, 'db').map(({ name }) => ({ pod: name, part: 'mysqld' }));

/** All but one, which then has no majority. */
const majority: Failure['victims'] = async (mesh, random) => {
  const all = await nodes(mesh, random);
  const left = chosen(random, all);
  return all.filter((each) => each !== left);
};

export const drill: DrillDefinition = {
  about:
    'a majority of the database nodes, or all of them, are lost and come back; nothing acknowledged is lost',
  failures: [
    {
      name: 'loss of the database majority for 10 to 13 s',
      goals: { relay: 500 },
      victims: majority,
      lasts: [10_000, 13_000],
    },
    { name: 'loss of the database majority for 40 s', goals: {}, victims: majority, lasts: [40_000, 40_000] },
    {
      name: 'loss of all database nodes for 1 to 5 s',
      goals: { relay: 500 },
      victims: nodes,
      lasts: [1000, 5000],
    },
  ],
};
