import { SallyportError } from '#core/errors/error.ts';
import type { Clock, Timer } from '#kernel/time/clock.ts';
import { systemClock } from '#kernel/time/system-clock.ts';

export interface BatcherOptions {
  /** Rows in one batch at most; default 50. */
  readonly maxRows?: number;
  /**
   * Milliseconds for which the first row of a batch waits for others; default 0: it goes at once if
   * nothing is under way, and what comes meanwhile makes up the next batch.
   */
  readonly maxWaitMs?: number;
  /** Rows that may wait; default 5000. The next one fails with DB_BUSY. */
  readonly maxQueued?: number;
  /** Batches under way at once; default 2. */
  readonly parallel?: number;
  readonly clock?: Clock;
}

export interface Batcher<R, T> {
  /** Resolves to this row's result once its batch has been written. */
  add(row: R): Promise<T>;
  /** Rows that wait. */
  readonly queued: number;
  /** Writes what waits and resolves when nothing is under way; further rows are refused with UNAVAILABLE. */
  close(): Promise<void>;
}

interface Waiting<R, T> {
  readonly row: R;
  readonly resolve: (result: T) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Group commit: gathers rows of concurrent callers into one call of `write`, which gives one result per
 * row in the same order, and either all rows take effect or none. If a batch is refused for a fault in one
 * row (any error but a SallyportError), its rows are written one by one, so that only the faulty one fails.
 */
export function batcher<R, T>(
  write: (rows: readonly R[]) => Promise<readonly T[]>,
  options: BatcherOptions = {},
): Batcher<R, T> {
  const { maxRows = 50, maxWaitMs = 0, maxQueued = 5000, parallel = 2, clock = systemClock } = options;
  const queue: Waiting<R, T>[] = [];
  const idle: (() => void)[] = [];
  let underWay = 0;
  let timer: Timer | undefined;
  let scheduled = false;
  let closed = false;

  const settle = async (batch: readonly Waiting<R, T>[]): Promise<void> => {
    try {
      const results = await write(batch.map((waiting) => waiting.row));
      if (results.length !== batch.length) {
        throw new SallyportError('INTERNAL', {
          message: `${batch.length} rows gave ${results.length} results`,
        });
      }
      // The lengths are equal, so each index is there.
      batch.forEach((waiting, n) => {
        waiting.resolve(results[n] as T);
      });
    } catch (error) {
      if (batch.length === 1 || error instanceof SallyportError) {
        for (const waiting of batch) waiting.reject(error);
      } else {
        for (const waiting of batch) await settle([waiting]);
      }
    }
  };

  const flush = (): void => {
    timer?.cancel();
    timer = undefined;
    while (queue.length > 0 && underWay < parallel) {
      underWay += 1;
      void settle(queue.splice(0, maxRows)).finally(() => {
        underWay -= 1;
        if (queue.length > 0) plan();
        else if (underWay === 0) for (const done of idle.splice(0)) done();
      });
    }
  };

  const plan = (): void => {
    if (closed || queue.length >= maxRows) flush();
    else if (maxWaitMs > 0) timer ??= clock.setTimer(maxWaitMs, flush);
    else if (!scheduled) {
      scheduled = true;
      // After the callers that are ready now, so that they share the batch.
      setImmediate(() => {
        scheduled = false;
        flush();
      });
    }
  };

  return {
    add: (row) => {
      if (closed)
        return Promise.reject(new SallyportError('UNAVAILABLE', { message: 'this pod is stopping' }));
      if (queue.length >= maxQueued)
        return Promise.reject(new SallyportError('DB_BUSY', { retryAfterMs: 1000 }));
      return new Promise<T>((resolve, reject) => {
        queue.push({ row, resolve, reject });
        plan();
      });
    },
    get queued() {
      return queue.length;
    },
    close: () => {
      closed = true;
      flush();
      if (underWay === 0) return Promise.resolve();
      return new Promise((resolve) => {
        idle.push(resolve);
      });
    },
  };
}
