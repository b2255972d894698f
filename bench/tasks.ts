import { randomUUID } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import { sql } from 'kysely';
import { TaskService } from '#gen/sallyport/task/v1/task_pb.js';
import type { Db } from '#kernel/db/db.ts';
import { migrate } from '#kernel/db/migrate.ts';
import { kernelMigrations } from '#kernel/db/migrations.ts';
import { openDb } from '#kernel/db/open-db.ts';
import { createGrpcClient } from '#kernel/rpc/grpc-client.ts';
import { taskMigrations } from '#services/tasks/store/migrations-tasks.ts';
import { mysqlTaskStore } from '#services/tasks/store/mysql-task-store.ts';
import { findTask } from '#services/tasks/store/read-tasks.ts';
import type { TaskTables } from '#services/tasks/store/tables.ts';
import { type DbGroup, startDbGroup } from '#test/db-group.ts';
import { nearestRank } from '#test/drills/nearest-rank.ts';
import { as } from '#test/security-bench.ts';
import { podAt, securityPods } from '#test/security-pods.ts';
import { type Bench, type BenchContext, BenchInterrupted } from './harness/context.ts';
import { loadCore } from './harness/cores.ts';
import { cpuSecondsOf } from './harness/cpu.ts';
import { type Figure, plainFigure } from './harness/figure.ts';
import type { BenchProcess } from './harness/process.ts';
import type { TaskWorkerAnswer, TaskWorkerArgs } from './servers/task-worker.ts';

const tasks = 200;
const stepsEach = 20;
const waiting = 100_000;
/** Milliseconds for which what costs nearly nothing is watched. */
const watchMs = 5000;
const watches = 3;
/** One in a hundred of a core: less than two watches of the same differ by. */
const measurableMs = 10;
/** Tasks that are submitted one after the other, to see how soon each begins. */
const wakeUps = 200;

export const tasksBench: Bench = {
  name: 'tasks',
  about:
    'steps of tasks that survive, on three database nodes; what 100,000 that wait cost; a worker that is killed',
  run: async (context) => {
    context.progress('  starting three MySQLs and a worker');
    const group = await startDbGroup();
    context.defer(() => group.close());
    await group.online();
    const db = await openTasks(context, group);
    const worker = (name: string): Promise<BenchProcess> => {
      const args: TaskWorkerArgs = { name, socketPath: group.rwSocket, password: group.passwords.app };
      return context.start('servers/task-worker.ts', loadCore, args);
    };
    const first = await worker('one');
    const rates: number[] = [];
    for (let round = 0; round < context.rounds; round++) {
      const rate = await stepsPerSecond(context, db, [first], `round ${round}`);
      context.progress(`  round ${round}: ${rate.toFixed(0)} steps a second`);
      // The first one is the compiler's.
      if (round > 0) rates.push(rate);
    }
    const processes = [first.pid, ...group.nodes.map((node) => node.mysqldPid() ?? 0)];
    const alone = await idleMs(context, processes);
    await submitWaiting(db);
    const beside = await idleMs(context, processes);
    const recovery = await recoverySeconds(context, db, first, await worker('two'));
    const wakes = await wakeUpMs(context, db, group);
    const figure = (name: string, unit: string, values: readonly number[], goal?: Figure['goal']): Figure =>
      plainFigure({ name: `tasks.${name}`, unit, ...(goal && { goal }) }, values);
    return [
      figure('steps', 'a second', rates, { atLeast: 300 }),
      figure('wake-up p50', 'ms from submitting to the first step', [nearestRank(wakes, 0.5)]),
      figure('wake-up p99', 'ms', [nearestRank(wakes, 0.99)], { atMost: 50 }),
      figure('idle', 'ms of CPU a second, of a worker and its databases', alone),
      figure('idle beside 100,000 waiting', 'ms of CPU a second', beside),
      figure('100,000 waiting', 'ms of CPU a second that they cost', [median(beside) - median(alone)], {
        atMost: measurableMs,
      }),
      figure('recovery', 'seconds from SIGKILL of a worker to the next step of its tasks', [recovery], {
        atMost: 5,
      }),
    ];
  },
};

async function openTasks(context: BenchContext, group: DbGroup): Promise<Db<TaskTables>> {
  const socketPath = group.rwSocket;
  const owner = openDb<TaskTables>({ socketPath, user: 'migrate', password: group.passwords.migrate });
  await migrate(owner, [...kernelMigrations, ...taskMigrations]);
  await owner.close();
  const db = openDb<TaskTables>({ socketPath, user: 'sallyport', password: group.passwords.app });
  context.defer(() => db.close());
  return db;
}

async function submit(db: Db<TaskTables>, count: number, steps: number, key: string): Promise<void> {
  const store = mysqlTaskStore(db);
  const all = Array.from({ length: count }, (_, n) => n);
  await Promise.all(
    all.map((n) =>
      store.submit({
        kind: 'chain',
        version: 1,
        input: steps,
        submitter: `s${n % 10}`,
        requestKey: `${key} ${n}`,
      }),
    ),
  );
  await store.close();
}

const stepsOf = async (workers: readonly BenchProcess[]): Promise<number> => {
  const answers = (await Promise.all(workers.map((each) => each.ask({})))) as TaskWorkerAnswer[];
  return answers.reduce((sum, { steps }) => sum + steps, 0);
};

async function until(context: BenchContext, done: () => Promise<boolean>): Promise<void> {
  while (!(await done())) {
    if (context.signal.aborted) throw new BenchInterrupted();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function stepsPerSecond(
  context: BenchContext,
  db: Db<TaskTables>,
  workers: readonly BenchProcess[],
  key: string,
): Promise<number> {
  const before = await stepsOf(workers);
  await submit(db, tasks, stepsEach, key);
  const [begun, from] = [await stepsOf(workers), performance.now()];
  await until(context, async () => (await stepsOf(workers)) - before >= tasks * stepsEach);
  return ((tasks * stepsEach - (begun - before)) / (performance.now() - from)) * 1000;
}

/** Milliseconds of CPU in a second in which there is nothing to do, some times. */
async function idleMs(context: BenchContext, pids: readonly number[]): Promise<number[]> {
  const used = (): number => pids.reduce((sum, pid) => sum + cpuSecondsOf(pid), 0);
  // What was done before is written and cleaned up by then.
  await pass(context, 3000);
  const seen: number[] = [];
  for (let n = 0; n < watches; n++) {
    const [before, from] = [used(), performance.now()];
    await pass(context, watchMs);
    seen.push(((used() - before) * 1_000_000) / (performance.now() - from));
  }
  return seen;
}

const pass = (context: BenchContext, ms: number): Promise<void> => {
  const end = performance.now() + ms;
  return until(context, async () => performance.now() >= end);
};

/**
 * Submits tasks to a security pod, one after the other, and tells after how long each began at a worker that hears of
 * work from that pod: the commit of the one and the claim of the other included. Milliseconds.
 */
async function wakeUpMs(context: BenchContext, db: Db<TaskTables>, group: DbGroup): Promise<number[]> {
  context.progress('  starting a security pod and a worker that it tells of work');
  const tier = await securityPods(group, { names: ['sec-0'], users: [], policy: { resources: [] } });
  context.defer(() => tier.close());
  const { grpcSocket, connectSocket, start } = podAt(tier, 0);
  await start();
  const args: TaskWorkerArgs = {
    ...{ name: 'woken', socketPath: group.rwSocket, password: group.passwords.app },
    news: grpcSocket,
  };
  await context.start('servers/task-worker.ts', loadCore, args);
  const address = `unix:${connectSocket}`;
  const client = createGrpcClient(TaskService, {
    ...{ address, defaultDeadlineMs: 10_000, metadata: as('operator', 'bench') },
  });
  context.defer(() => client.close());
  const seen: number[] = [];
  // The first ones find the worker just starting.
  for (let n = -10; n < wakeUps; n++) {
    const from = Number(process.hrtime.bigint()) / 1e6;
    const { task } = await client.submitTask({ kind: 'begins', requestKey: randomUUID() });
    let begun: number | undefined;
    await until(context, async () => {
      const info = await db.read((on) => findTask(on, task?.id ?? ''));
      begun = info?.state === 'done' ? Number(info.result) : undefined;
      return begun !== undefined;
    });
    if (n >= 0 && begun !== undefined) seen.push(begun - from);
    // Nobody submits in step with the worker's own looks.
    await pass(context, Math.random() * 50);
  }
  return seen;
}

const median = (values: readonly number[]): number => nearestRank(values, 0.5);

/** As if they waited for a message each. */
async function submitWaiting(db: Db<TaskTables>): Promise<void> {
  const batch = 1000;
  for (let from = 0; from < waiting; from += batch) {
    const rows = Array.from({ length: batch }, (_, n) => {
      const id = `waiting-${from + n}`.padEnd(22, '-');
      return sql`(${id}, 'chain', 1, 'many', 'digest', 'open', '1', 0, 0, 1, 1, 0, 0, 0)`;
    });
    await db.tx(
      (trx) =>
        sql`insert ignore into tasks (id, kind, version, submitter, digest, state, input_json, ready, turn, fence,
          wakes, attempts, cancel_requested, created_ms) values ${sql.join(rows)}`.execute(trx),
      { idempotent: true },
    );
  }
}

async function recoverySeconds(
  context: BenchContext,
  db: Db<TaskTables>,
  killed: BenchProcess,
  other: BenchProcess,
): Promise<number> {
  await submit(db, 20, 5000, 'long');
  await until(context, async () => (await stepsOf([killed])) > 0 && (await claimedBy(db, 'one')) > 0);
  // Only those of the dead one count.
  const { rows } = await db.read((on) =>
    sql<{ id: string }>`select id from tasks where claimed_by = 'one' and claim_until_ms is not null`.execute(
      on,
    ),
  );
  process.kill(killed.pid, 'SIGKILL');
  const from = performance.now();
  const ids = rows.map(({ id }) => id);
  await until(context, async () => (await claimedBy(db, 'two', ids)) > 0);
  const before = await stepsOf([other]);
  await until(context, async () => (await stepsOf([other])) > before);
  return (performance.now() - from) / 1000;
}

async function claimedBy(db: Db<TaskTables>, worker: string, ids?: readonly string[]): Promise<number> {
  const among = ids === undefined ? sql`true` : sql`id in (${sql.join(ids)})`;
  const { rows } = await db.read((on) =>
    sql<{ n: number }>`select count(*) as n from tasks
      where claimed_by = ${worker} and claim_until_ms is not null and ${among}`.execute(on),
  );
  return Number(rows[0]?.n ?? 0);
}
