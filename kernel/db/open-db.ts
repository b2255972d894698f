import { SallyportError } from '#core/errors/error.ts';
import { backoff } from '#kernel/time/backoff.ts';
import { elapsed, instant } from '#kernel/time/clock.ts';
import { systemClock } from '#kernel/time/system-clock.ts';
import { type Connection, connect } from './connection.ts';
import type { CallOptions, Db, DbOptions, TxOptions } from './db.ts';
import { judge, unavailable } from './failures.ts';
import { Gate } from './gate.ts';
import { claimKey, maxKeyBytes, storeResult } from './idempotency.ts';
import { observed } from './observed.ts';
import { Pool } from './pool.ts';
import { type SoonReads, soonReads } from './read-soon.ts';

/** A client of the primary. Nothing is connected before the first call. */
export function openDb<S>(options: DbOptions): Db<S> {
  return openDbOver(connector<S>(options, []), options);
}

/**
 * A client of any ONLINE member. Every read sees what was committed anywhere before it began
 * (`group_replication_consistency=BEFORE`), so it may wait for seconds while the group finds out who has died; readSoon
 * does not.
 */
export function openReplica<S>(options: DbOptions): Pick<Db<S>, 'read' | 'figures' | 'close'> & SoonReads<S> {
  const reader = (consistency: 'BEFORE' | 'EVENTUAL'): Db<S> =>
    openDbOver(
      connector<S>(options, [`set session group_replication_consistency = '${consistency}'`]),
      options,
    );
  const [caughtUp, behind] = [reader('BEFORE'), reader('EVENTUAL')];
  return {
    read: caughtUp.read,
    figures: caughtUp.figures,
    ...soonReads(caughtUp, behind, options.clock ?? systemClock),
    close: async () => {
      await Promise.all([caughtUp.close(), behind.close()]);
    },
  };
}

/** What one run came to, seen from outside the closure. */
type Outcome<T> =
  | { readonly is: 'done'; readonly value: T }
  | { readonly is: 'repeat'; readonly because: unknown; readonly ambiguous: boolean }
  | { readonly is: 'failed'; readonly error: unknown };

type Attempt<S, T> = (connection: Connection<S>) => Promise<Outcome<T>>;

function connector<S>(options: DbOptions, init: readonly string[]): () => Promise<Connection<S>> {
  return () =>
    connect<S>({
      socketPath: options.socketPath,
      user: options.user,
      password: options.password,
      database: options.database ?? 'sallyport',
      connectTimeoutMs: options.connectTimeoutMs ?? 2000,
      init,
    });
}

/** The same over any way to connect. */
export function openDbOver<S>(
  connectOnce: () => Promise<Connection<S>>,
  options: Omit<DbOptions, 'socketPath' | 'user' | 'password' | 'database' | 'connectTimeoutMs'> = {},
): Db<S> {
  const clock = options.clock ?? systemClock;
  const random = options.random ?? Math.random;
  const gate = new Gate({ inside: options.connections ?? 8, waiting: options.maxWaiting ?? 1000, clock });
  const pool = new Pool<S>(connectOnce);
  let repeated = 0;

  /** One run on one connection, which is cut when `stop` is aborted meanwhile. */
  const runOnce = async <T>(attempt: Attempt<S, T>, stop: AbortSignal): Promise<Outcome<T>> => {
    let connection: Connection<S>;
    try {
      connection = await pool.take();
    } catch (error) {
      // Nothing has been sent yet, so whatever it was is safe; only a refused login is worth no repetition.
      return judge(error) === 'fatal'
        ? { is: 'failed', error }
        : { is: 'repeat', because: error, ambiguous: false };
    }
    const cut = (): void => pool.drop(connection, givenUp());
    if (stop.aborted) cut();
    else stop.addEventListener('abort', cut, { once: true });
    try {
      const outcome = await attempt(connection);
      if (outcome.is === 'repeat' && judge(outcome.because) !== 'safe-same') {
        pool.drop(connection, givenUp());
        // The others lead to the same place.
        pool.dropIdle(givenUp());
      }
      return outcome;
    } finally {
      stop.removeEventListener('abort', cut);
      pool.give(connection);
    }
  };

  const call = async <T>(attempt: Attempt<S, T>, o: CallOptions, mayRepeat: boolean): Promise<T> => {
    const limit = o.deadlineMs ?? options.deadlineMs ?? 10_000;
    const start = instant(clock);
    const left = (): number => limit - elapsed(clock, start);
    const pause = backoff({ baseMs: 10, capMs: 100 }, random);
    const stop = new AbortController();
    const onAbort = (): void => stop.abort(new SallyportError('CANCELLED', { cause: o.signal?.reason }));
    if (o.signal?.aborted) onAbort();
    else o.signal?.addEventListener('abort', onAbort, { once: true });
    const timer = clock.setTimer(limit, () => stop.abort(unavailable(undefined)));
    let leave: (() => void) | undefined;
    let ambiguity: unknown;
    try {
      leave = await gate.enter(limit, stop.signal, o.urgent);
      for (;;) {
        const outcome = await runOnce(attempt, stop.signal);
        if (outcome.is === 'done') return outcome.value;
        if (outcome.is === 'failed') throw outcome.error;
        if (outcome.ambiguous) ambiguity ??= outcome.because;
        if (ambiguity !== undefined && (!mayRepeat || stop.signal.aborted || left() <= 0)) {
          throw new SallyportError('DB_OUTCOME_UNKNOWN', { cause: ambiguity });
        }
        if (stop.signal.aborted) throw stop.signal.reason;
        const wait = pause.next();
        if (left() <= wait) throw unavailable(outcome.because);
        repeated += 1;
        await clock.sleep(wait, stop.signal);
      }
    } catch (error) {
      // Given up between two runs, with an outcome still open.
      if (ambiguity !== undefined && stop.signal.aborted && error === stop.signal.reason) {
        throw new SallyportError('DB_OUTCOME_UNKNOWN', { cause: ambiguity });
      }
      throw error;
    } finally {
      leave?.();
      timer.cancel();
      o.signal?.removeEventListener('abort', onAbort);
    }
  };

  return {
    tx: async (fn, o: TxOptions = {}) => {
      const { key } = o;
      if (key !== undefined && (key === '' || Buffer.byteLength(key) > maxKeyBytes)) {
        throw new SallyportError('INVALID_FIELD', {
          message: `an idempotency key has 1 to ${maxKeyBytes} bytes; this one has ${Buffer.byteLength(key)}`,
        });
      }
      return observed('tx', clock, () =>
        call((connection) => transact(connection, fn, key), o, key !== undefined || o.idempotent === true),
      );
    },
    read: async (fn, o = {}) =>
      observed('read', clock, () => call((connection) => readOnce(connection, fn), o, true)),
    figures: () => ({ connections: pool.open, active: gate.inside, waiting: gate.waiting, repeated }),
    close: () => {
      pool.close();
      return Promise.resolve();
    },
  };
}

async function readOnce<S, T>(
  connection: Connection<S>,
  fn: (db: Connection<S>['kysely']) => Promise<T>,
): Promise<Outcome<T>> {
  try {
    return { is: 'done', value: await fn(connection.kysely) };
  } catch (error) {
    return judge(error) === 'fatal'
      ? { is: 'failed', error }
      : { is: 'repeat', because: error, ambiguous: false };
  }
}

async function transact<S, T>(
  connection: Connection<S>,
  fn: (trx: Connection<S>['kysely']) => Promise<T>,
  key: string | undefined,
): Promise<Outcome<T>> {
  let value: T;
  try {
    await connection.run('begin');
    const settled = key === undefined ? undefined : await claimKey(connection.kysely, key);
    if (settled) {
      await connection.run('rollback');
      return { is: 'done', value: settled.result as T };
    }
    value = await fn(connection.kysely);
    if (key !== undefined) await storeResult(connection.kysely, key, value);
  } catch (error) {
    // COMMIT was not sent: whatever broke, the server rolls back.
    await rollBack(connection);
    return judge(error) === 'fatal'
      ? { is: 'failed', error }
      : { is: 'repeat', because: error, ambiguous: false };
  }
  try {
    await connection.run('commit');
    return { is: 'done', value };
  } catch (error) {
    const verdict = judge(error);
    if (verdict === 'safe-same') await rollBack(connection);
    else connection.cut(givenUp());
    return verdict === 'fatal'
      ? { is: 'failed', error }
      : { is: 'repeat', because: error, ambiguous: verdict === 'ambiguous' };
  }
}

async function rollBack<S>(connection: Connection<S>): Promise<void> {
  if (!connection.usable) return;
  try {
    await connection.run('rollback');
  } catch (error) {
    // The server rolls back by itself what loses its connection.
    connection.cut(error instanceof Error ? error : givenUp());
  }
}

/** Looks like a broken connection to `judge`, which it is. */
const givenUp = (): Error => Object.assign(new Error('the connection was given up'), { code: 'ECONNRESET' });
