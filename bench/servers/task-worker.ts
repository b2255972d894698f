/** A worker whose steps do nothing: what is measured is what it costs that they are not lost. */

import { TaskService } from '#gen/sallyport/task/v1/task_pb.js';
import { openDb } from '#kernel/db/open-db.ts';
import { silentLogger } from '#kernel/log/logger.ts';
import { createGrpcClient } from '#kernel/rpc/grpc-client.ts';
import { systemClock } from '#kernel/time/system-clock.ts';
import { awaitWork } from '#services/tasks/await-work.ts';
import { taskRegistry } from '#services/tasks/engine/registry.ts';
import { startWorker } from '#services/tasks/engine/worker.ts';
import { mysqlTaskStore } from '#services/tasks/store/mysql-task-store.ts';
import { announceKinds } from '#services/tasks/store/read-tasks.ts';
import type { TaskTables } from '#services/tasks/store/tables.ts';
import { as } from '#test/security-bench.ts';
import { serveBench } from '../harness/child.ts';

export interface TaskWorkerArgs {
  readonly name: string;
  readonly socketPath: string;
  readonly password: string;
  /** Of a security pod that tells it of work; without one it looks by itself only. */
  readonly news?: string;
}

/** Steps since its start. */
export interface TaskWorkerAnswer {
  readonly steps: number;
}

serveBench(async ({ name, socketPath, password, news }: TaskWorkerArgs) => {
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
  // The clock of this machine's processes, as whoever submits reads it.
  const begins = {
    kind: 'begins',
    version: 1,
    run: (context) => context.step('begin', async () => Number(process.hrtime.bigint()) / 1e6),
  } satisfies Parameters<typeof taskRegistry>[0][number];
  const registry = taskRegistry([chain, begins]);
  await db.tx((trx) => announceKinds(trx, registry.all), { idempotent: true });
  const worker = startWorker({
    ...{ name, clock: systemClock, now: Date.now, random: Math.random, log: silentLogger },
    store: mysqlTaskStore(db),
    registry,
    parallel: 128,
  });
  if (news !== undefined) {
    const address = `unix:${news}`;
    const client = createGrpcClient(TaskService, {
      ...{ address, defaultDeadlineMs: 5000, metadata: as('worker', name) },
    });
    const deps = { client, onWork: () => worker.wake(), clock: systemClock, random: Math.random };
    void awaitWork({ ...deps, log: silentLogger }, 'sec-0', new AbortController().signal);
  }
  return async (): Promise<TaskWorkerAnswer> => ({ steps });
});
