/** A worker in a process of its own, to be killed. Arguments: name, socket of the database, user, password. */

import { openDb } from '#kernel/db/open-db.ts';
import { silentLogger } from '#kernel/log/logger.ts';
import { systemClock } from '#kernel/time/system-clock.ts';
import { taskRegistry } from '#services/tasks/engine/registry.ts';
import { startWorker } from '#services/tasks/engine/worker.ts';
import { mysqlTaskStore } from '#services/tasks/store/mysql-task-store.ts';
import type { TaskTables } from '#services/tasks/store/tables.ts';
import { definitions } from './definitions.ts';

const [name = '', socketPath = '', user = '', password = ''] = process.argv.slice(2);
const db = openDb<TaskTables>({ socketPath, user, password, connections: 4 });
const store = mysqlTaskStore(db);
const worker = startWorker({
  ...{ name, store, clock: systemClock, now: Date.now, random: Math.random, log: silentLogger },
  registry: taskRegistry(definitions),
  pollMs: 100,
  claimMs: 2000,
});
process.once('SIGTERM', async () => {
  await worker.close();
  await store.close();
  await db.close();
});
