import type { AloneContext, DrillDefinition, Failure } from '../drill.ts';
import { killWorkersOnDatabase } from './on-database.ts';
import { killOnMesh } from './on-mesh.ts';

/** Five seeds are a thousand, as in the table. */
const kills = 200;
const killsOnMesh = 40;

const runs: readonly (Pick<Failure, 'name'> & { readonly run: (context: AloneContext) => Promise<void> })[] =
  [
    {
      name: `${kills} random kills of workers and database primaries while tasks run`,
      run: (context) => killWorkersOnDatabase(kills, context),
    },
    {
      name: `${killsOnMesh} random kills of worker pods, security pods and sidecars while tasks run`,
      run: (context) => killOnMesh(killsOnMesh, context),
    },
  ];

export const drill: DrillDefinition = {
  about: 'whoever is killed while tasks run, no step is lost, no effect is had twice, and all tasks end',
  failures: runs.map(({ name }) => ({ name, goals: {}, victims: () => [] })),
  alone: async (context) => {
    const { name } = context.failure;
    const found = runs.find((each) => each.name === name);
    if (found === undefined) throw new Error(`there is no "${name}"`);
    await found.run(context);
  },
};
