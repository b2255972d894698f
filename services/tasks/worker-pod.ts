import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { SallyportError } from '#core/errors/error.ts';
import { TaskService } from '#gen/sallyport/task/v1/task_pb.js';
import { readDatabaseNow } from '#kernel/db/database-now.ts';
import { DatabaseTime } from '#kernel/db/database-time.ts';
import type { Db } from '#kernel/db/db.ts';
import { mysqlNumber } from '#kernel/db/failures.ts';
import { openDb } from '#kernel/db/open-db.ts';
import type { Lifecycle } from '#kernel/lifecycle/lifecycle.ts';
import type { Logger } from '#kernel/log/logger.ts';
import { createGrpcClient } from '#kernel/rpc/grpc-client.ts';
import type { RpcObserver } from '#kernel/rpc/observer.ts';
import { Watches } from '#kernel/rpc/watches.ts';
import { gauge } from '#kernel/telemetry/metrics.ts';
import { instant } from '#kernel/time/clock.ts';
import { systemClock } from '#kernel/time/system-clock.ts';
import { awaitWork } from './await-work.ts';
import type { WorkerConfig } from './config.ts';
import { openConnectors } from './connectors/connectors.ts';
import { definitions } from './definitions.ts';
import type { TaskDefinition, TaskRegistry } from './engine/definition.ts';
import { taskRegistry } from './engine/registry.ts';
import { startWorker } from './engine/worker.ts';
import { mysqlOwnRows } from './routine/own-rows.ts';
import { startScheduler } from './schedules/scheduler.ts';
import type { ScheduleTables } from './schedules/tables.ts';
import { mysqlTaskStore } from './store/mysql-task-store.ts';
import { announceKinds } from './store/read-tasks.ts';
import type { TaskTables } from './store/tables.ts';

/** Milliseconds for which a starting worker waits for the database, and for the security tier to make its tables. */
const databaseMs = 120_000;
const timeEveryMs = 10_000;
/** Milliseconds for an answer of the security tier: a database fails over within it. */
const securityMs = 30_000;
const closeMs = 5000;

type Tables = TaskTables & ScheduleTables;

export interface WorkerPod {
  /** Takes over what of its configuration may change while it runs: security pods and gateways. */
  reconfigure(next: Pick<WorkerConfig, 'securityPods' | 'gateways'>): void;
}

/** Claims tasks as soon as the tables are there. */
export async function startWorkerPod(
  life: Lifecycle,
  config: WorkerConfig,
  log: Logger,
  observer: RpcObserver,
): Promise<WorkerPod> {
  const clock = systemClock;
  const { pod, sockets, database } = config;
  const password = (await readFile(database.passwordFile, 'utf8')).trim();
  const { user, connections } = database;
  const db = await life.start(
    'database',
    () => openDb<Tables>({ socketPath: sockets.dbRw, user, password, connections }),
    (open) => open.close(),
  );
  const security = { address: `unix:${sockets.out}`, defaultDeadlineMs: securityMs, observer };
  let { gateways } = config;
  const connectors = await life.start(
    'connectors',
    () =>
      openConnectors({
        ...{ targets: config.targets, security, rows: mysqlOwnRows(db), clock },
        gatewaysOf: (group) => gateways.find(({ name }) => name === group)?.pods ?? [],
      }),
    (open) => open.close(),
  );
  const registry = taskRegistry([...definitions(() => connectors), ...(await definitionsIn(config.modules))]);
  const time = new DatabaseTime(clock);
  const learn = async (deadlineMs?: number): Promise<void> => {
    const asked = instant(clock);
    time.learn(await db.read(readDatabaseNow, deadlineMs === undefined ? {} : { deadlineMs }), asked);
  };
  await life.start('tables', () => announce(db, registry), undefined, { startMs: databaseMs + 5000 });
  await learn(databaseMs);
  const learning = clock.setRepeating(timeEveryMs, () => {
    learn().catch((err: unknown) => log.warn({ err }, "the database's time could not be read"));
  });
  life.defer('time', () => learning.cancel());
  const store = await life.start(
    'journal',
    () => mysqlTaskStore(db),
    (open) => open.close(),
  );
  const worker = await life.start(
    'worker',
    () =>
      startWorker({
        // Another process of this pod is another worker: what that one still holds is not this one's.
        name: `${pod}.${randomBytes(4).toString('hex')}`,
        ...{ store, registry, clock, log },
        now: () => time.now(),
        random: Math.random,
        parallel: config.parallel,
        claimMs: config.claim,
        pollMs: config.poll,
        places: [pod, config.host ?? hostname()],
      }),
    (running) => running.close(),
    { closeMs },
  );
  await life.start(
    'schedules',
    () =>
      startScheduler({
        ...{ db, clock, log },
        versionOf: (kind) => registry.newest(kind)?.version,
        onBegun: () => worker.wake(),
      }),
    (running) => running.close(),
  );
  const stop = new AbortController();
  const client = createGrpcClient(TaskService, {
    address: `unix:${sockets.out}`,
    defaultDeadlineMs: 5000,
    observer,
  });
  const watches = new Watches(
    (from, signal) =>
      awaitWork({ client, onWork: () => worker.wake(), clock, random: Math.random, log }, from, signal),
    stop.signal,
  );
  watches.setPods(config.securityPods);
  life.defer('news', async () => {
    stop.abort();
    await watches.ended();
    client.close();
  });
  const forget = gauge(
    'sallyport.task.running',
    { unit: '{task}', description: 'Tasks that this worker runs.' },
    () => worker.running,
  );
  life.defer('gauge', forget);
  log.info({ kinds: registry.all.map(({ kind, version }) => `${kind} ${version}`) }, 'claiming tasks');
  return {
    reconfigure: (next) => {
      watches.setPods(next.securityPods);
      gateways = next.gateways;
    },
  };
}

/** Says what this release runs, once the security tier has made the tables. @throws DB_UNAVAILABLE */
async function announce(db: Db<Tables>, registry: TaskRegistry): Promise<void> {
  const until = systemClock.monotonic() + databaseMs;
  for (;;) {
    try {
      await db.tx((trx) => announceKinds(trx, registry.all), { idempotent: true, deadlineMs: databaseMs });
      // Whatever the kinds, the tables are there.
      await db.read((on) => on.selectFrom('report_pieces').select('piece').limit(1).execute());
      return;
    } catch (error) {
      if (mysqlNumber(error) !== noSuchTable || systemClock.monotonic() > until) throw error;
      await systemClock.sleep(250);
    }
  }
}

const noSuchTable = 1146;

/** @throws CONFIG_INVALID naming the module */
async function definitionsIn(modules: readonly string[]): Promise<readonly TaskDefinition[]> {
  const all: TaskDefinition[] = [];
  for (const file of modules) {
    try {
      const loaded = (await import(pathToFileURL(resolve(file)).href)) as { definitions?: unknown };
      if (!Array.isArray(loaded.definitions)) throw new TypeError('it exports no `definitions`');
      all.push(...(loaded.definitions as TaskDefinition[]));
    } catch (cause) {
      throw new SallyportError('CONFIG_INVALID', {
        message: `${file} gives no definitions of tasks: ${String(cause)}`,
        cause,
      });
    }
  }
  return all;
}
