import { SallyportError } from '#core/errors/error.ts';
import { batcher } from '#kernel/db/batcher.ts';
import type { Db } from '#kernel/db/db.ts';
import { cancelTask, messageTask, reviveTask, submitTask } from './change-tasks.ts';
import { claimTasks, renewClaims, ripenTasks } from './claims.ts';
import { findTask, historyOf } from './read-tasks.ts';
import type { TaskTables } from './tables.ts';
import type { TaskStore } from './task-store.ts';
import { type Write, writeUnderClaims } from './write-under-claims.ts';

export interface ClosableTaskStore extends TaskStore {
  /** Writes what waits. */
  close(): Promise<void>;
}

/** Tasks in MySQL. What many tasks journal at the same time goes in one transaction. */
export function mysqlTaskStore(db: Pick<Db<TaskTables>, 'tx' | 'read'>): ClosableTaskStore {
  const writes = batcher<Write, unknown>(
    async (batch) => {
      const results = await db.tx((trx) => writeUnderClaims(trx, batch), { idempotent: true });
      return results;
    },
    { maxRows: 100, parallel: 2 },
  );
  /** What one transaction gives for one of its rows: a result, or that the claim is lost. */
  const write = async <T>(row: Write): Promise<T> => {
    const result = await writes.add(row);
    if (result instanceof SallyportError) throw result;
    return result as T;
  };

  return {
    submit: (task) => db.tx((trx) => submitTask(trx, task), { idempotent: true }),
    claim: (o) => db.tx((trx) => claimTasks(trx, o)),
    renew: (claims, forMs) => db.tx((trx) => renewClaims(trx, claims, forMs), { idempotent: true }),
    journal: (claim, entry) => write({ claim, entry }),
    release: (claim, how) => write({ claim, how }),
    ripen: (o) => db.tx((trx) => ripenTasks(trx, o), { idempotent: true }),
    message: (id, name, value) => db.tx((trx) => messageTask(trx, id, name, value), { idempotent: true }),
    cancel: (id) => db.tx((trx) => cancelTask(trx, id), { idempotent: true }),
    revive: (id, skip) => db.tx((trx) => reviveTask(trx, id, skip), { idempotent: true }),
    find: (id) => db.read((on) => findTask(on, id)),
    journalOf: (id) => db.read((on) => historyOf(on, id)),
    close: () => writes.close(),
  };
}
