/**
 * A worker in a process of its own, to be killed; it also begins what is scheduled. Arguments: name, socket of the
 * database, user, password; a module of definitions, by default this folder's. Tells its parent when it has journaled
 * so much that it was worth its start.
 */

import { openDb } from '#kernel/db/open-db.ts';
import { silentLogger } from '#kernel/log/logger.ts';
import { systemClock } from '#kernel/time/system-clock.ts';
import type { TaskDefinition } from '#services/tasks/engine/definition.ts';
import { taskRegistry } from '#services/tasks/engine/registry.ts';
import { startWorker } from '#services/tasks/engine/worker.ts';
import { startScheduler } from '#services/tasks/schedules/scheduler.ts';
import type { ScheduleTables } from '#services/tasks/schedules/tables.ts';
import { mysqlTaskStore } from '#services/tasks/store/mysql-task-store.ts';
import type { TaskTables } from '#services/tasks/store/tables.ts';

const [name = '', socketPath = '', user = '', password = '', module = './definitions.ts'] =
  process.argv.slice(2);
const { definitions } = (await import(module)) as { definitions: readonly TaskDefinition[] };
const db = openDb<TaskTables & ScheduleTables>({ socketPath, user, password, connections: 4 });
const store = mysqlTaskStore(db);
const registry = taskRegistry(definitions);
/** Entries of the journal after which it is told that this worker works. */
const entries = 10;
let journaled = 0;
const tell = (): void => {
  journaled += 1;
  if (journaled !== entries) return;
  process.send?.('works');
  if (process.connected) process.disconnect();
};
const worker = startWorker({
  ...{ name, clock: systemClock, now: Date.now, random: Math.random, log: silentLogger },
  store: {
    ...store,
    journal: async (claim, entry) => {
      const row = await store.journal(claim, entry);
      tell();
      return row;
    },
  },
  registry,
  places: [name],
  pollMs: 100,
  claimMs: 2000,
});
const scheduler = startScheduler({
  ...{ db, clock: systemClock, log: silentLogger, lookMs: 100 },
  versionOf: (kind) => registry.newest(kind)?.version,
  onBegun: () => worker.wake(),
});
process.once('SIGTERM', async () => {
  await scheduler.close();
  await worker.close();
  await store.close();
  await db.close();
});
