import type { Db } from '#kernel/db/db.ts';
import type { Logger } from '#kernel/log/logger.ts';
import type { Clock } from '#kernel/time/clock.ts';
import type { TaskTables } from '../store/tables.ts';
import { anyDue, beginDue, type VersionOf } from './schedule-store.ts';
import type { ScheduleTables } from './tables.ts';

export interface SchedulerOptions {
  readonly db: Pick<Db<TaskTables & ScheduleTables>, 'tx' | 'read'>;
  readonly versionOf: VersionOf;
  readonly clock: Clock;
  readonly log: Pick<Logger, 'warn'>;
  /** Tasks were begun. */
  readonly onBegun: () => void;
  /** Milliseconds between two looks; default 1000. */
  readonly lookMs?: number;
}

/** Schedules that one transaction begins. */
const batch = 20;

/** Begins tasks when their time comes. Each worker has one; it does not matter which sees it first. */
export function startScheduler(options: SchedulerOptions): { close(): Promise<void> } {
  const { db, versionOf, clock, log, onBegun, lookMs = 1000 } = options;
  let looking: Promise<void> | undefined;
  let failing = false;
  const look = async (): Promise<void> => {
    // Mostly nothing is due, and that takes no transaction.
    if (!(await db.read(anyDue))) return;
    let begun: number;
    do {
      begun = await db.tx((trx) => beginDue(trx, batch, versionOf), { idempotent: true });
      if (begun > 0) onBegun();
    } while (begun === batch);
  };
  const timer = clock.setRepeating(lookMs, () => {
    looking ??= look()
      .then(
        () => {
          failing = false;
        },
        (error: unknown) => {
          if (!failing) log.warn({ err: error }, 'it cannot be found out what is scheduled now');
          failing = true;
        },
      )
      .finally(() => {
        looking = undefined;
      });
  });
  return {
    close: async () => {
      timer.cancel();
      await looking;
    },
  };
}
