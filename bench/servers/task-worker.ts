/** A worker whose steps do nothing: what is measured is what it costs that they are not lost. */

import { openDb } from '#kernel/db/open-db.ts';
import { silentLogger } from '#kernel/log/logger.ts';
import { systemClock } from '#kernel/time/system-clock.ts';
import { taskRegistry } from '#services/tasks/engine/registry.ts';
import { startWorker } from '#services/tasks/engine/worker.ts';
import { mysqlTaskStore } from '#services/tasks/store/mysql-task-store.ts';
import type { TaskTables } from '#services/tasks/store/tables.ts';
import { serveBench } from '../harness/child.ts';

export interface TaskWorkerArgs {
  readonly name: string;
  readonly socketPath: string;
  readonly password: string;
}

/** Steps since its start. */
export interface TaskWorkerAnswer {
  readonly steps: number;
}

serveBench(async ({ name, socketPath, password }: TaskWorkerArgs) => {
  let steps = 0;
  const db = openDb<TaskTables>({ socketPath, user: 'sallyport', password, connections: 6 });
  const chain = {
    kind: 'chain',
    version: 1,
    run: async (context, input) => {
      for (let n = 1; n <= Number(input); n++) await context.step(`step ${n}`, async () => ++steps);
      return null;
    },
  } satisfies Parameters<typeof taskRegistry>[0][number];
  startWorker({
    ...{ name, clock: systemClock, now: Date.now, random: Math.random, log: silentLogger },
    store: mysqlTaskStore(db),
    registry: taskRegistry([chain]),
    parallel: 128,
  });
  return async (): Promise<TaskWorkerAnswer> => ({ steps });
});
