/**
 * A worker that dies, once for each step of the names that it is told, after the effect and before it is
 * journaled. Argument: a file of JSON, see `ConnectorWorker`.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { openDb } from '#kernel/db/open-db.ts';
import { silentLogger } from '#kernel/log/logger.ts';
import { systemClock } from '#kernel/time/system-clock.ts';
import { openConnectors } from '#services/tasks/connectors/connectors.ts';
import { targetsConfig } from '#services/tasks/connectors/targets.ts';
import { definitions } from '#services/tasks/definitions.ts';
import { taskRegistry } from '#services/tasks/engine/registry.ts';
import { startWorker } from '#services/tasks/engine/worker.ts';
import { mysqlOwnRows } from '#services/tasks/routine/own-rows.ts';
import type { ScheduleTables } from '#services/tasks/schedules/tables.ts';
import { mysqlTaskStore } from '#services/tasks/store/mysql-task-store.ts';
import type { TaskTables } from '#services/tasks/store/tables.ts';
import type { JournalEntry } from '#services/tasks/store/task-store.ts';
import { as } from '../security-bench.ts';
import { connectorDefinitions } from './connector-definitions.ts';

/** What the file holds. */
export interface ConnectorWorker {
  readonly name: string;
  readonly socketPath: string;
  readonly password: string;
  /** Marks of the deaths are put here. */
  readonly dir: string;
  /** Of names of steps, as a regular expression. */
  readonly diesAfter: string;
  readonly oncePer: 'task' | 'name';
  readonly securitySocket: string;
  readonly targets: unknown;
}

const { name, socketPath, password, dir, diesAfter, oncePer, securitySocket, targets } = JSON.parse(
  readFileSync(process.argv[2] ?? '', 'utf8'),
) as ConnectorWorker;
/** What is only looked at, noted down, or was not taken, is none. */
const hadEffect = ({ name, state, result }: JournalEntry): boolean =>
  new RegExp(diesAfter).test(name) &&
  !/ (before|begun)\b/.test(name) &&
  state === 'done' &&
  !JSON.stringify(result).startsWith('{"outcome":"nothing"');

const db = openDb<TaskTables & ScheduleTables>({ socketPath, user: 'sallyport', password, connections: 4 });
const connectors = await openConnectors({
  targets: z.parse(targetsConfig, targets),
  security: { address: `unix:${securitySocket}`, defaultDeadlineMs: 10_000, metadata: as('worker', name) },
  rows: mysqlOwnRows(db),
  clock: systemClock,
});
const store = mysqlTaskStore(db);
startWorker({
  ...{ name, clock: systemClock, now: Date.now, random: Math.random, log: silentLogger },
  store: {
    ...store,
    journal: (claim, entry) => {
      const mark = join(
        dir,
        `died ${oncePer === 'task' ? claim.id : ''} ${Buffer.from(entry.name).toString('hex')}`,
      );
      if (hadEffect(entry) && !existsSync(mark)) {
        writeFileSync(mark, '');
        process.kill(process.pid, 'SIGKILL');
      }
      return store.journal(claim, entry);
    },
  },
  registry: taskRegistry([...connectorDefinitions(connectors), ...definitions(() => connectors)]),
  pollMs: 50,
  claimMs: 1000,
});
