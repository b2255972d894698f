import type { Kysely } from 'kysely';
import type { Clock } from '#kernel/time/clock.ts';

export interface DbOptions {
  /** `db-rw.sock` of the sidecar for {@link openDb}, `db-ro.sock` for openReplica. */
  readonly socketPath: string;
  readonly user: string;
  readonly password: string;
  /** Schema; default `sallyport`. */
  readonly database?: string;
  /** Connections at most, and one more for what is urgent; default 8. */
  readonly connections?: number;
  /** Calls that may wait for a connection; default 1000. The next one fails with DB_BUSY. */
  readonly maxWaiting?: number;
  /** Milliseconds for which a call waits for a connection, a primary and its answer; default 10000. */
  readonly deadlineMs?: number;
  /** Milliseconds for connecting and logging in; default 2000. */
  readonly connectTimeoutMs?: number;
  readonly clock?: Clock;
  /** Random numbers in [0, 1), for jitter; default Math.random. */
  readonly random?: () => number;
}

export interface CallOptions {
  /** Milliseconds for the whole call, repetitions included; default as in DbOptions. */
  readonly deadlineMs?: number;
  readonly signal?: AbortSignal;
  /** Goes ahead of all that wait: for what other answers depend on, such as the revocation feed. */
  readonly urgent?: boolean;
}

export interface TxOptions extends CallOptions {
  /**
   * Names this change once and for all (at most 160 bytes, chosen by whoever asked for it). A row with it
   * is written in the same transaction; if the key was used before, the earlier result is returned and
   * nothing is run. The result must survive JSON.
   */
  readonly key?: string;
  /** The closure may take effect twice: an unknown outcome is settled by running it again. */
  readonly idempotent?: boolean;
}

export interface DbFigures {
  /** Connections that are open. */
  readonly connections: number;
  /** Calls that hold a connection, or try to get one from the server. */
  readonly active: number;
  /** Calls that wait for their turn. */
  readonly waiting: number;
  /** Closures run again since the start, after a failover, deadlock or lock wait. */
  readonly repeated: number;
}

/**
 * MySQL behind failover. Every closure may be run several times: it must touch nothing but the Kysely it
 * is given, or be able to bear that. Errors that the closure throws itself come out as they are.
 *
 * All calls throw DB_BUSY (too many wait already), DB_UNAVAILABLE (no primary within the deadline; nothing
 * took effect), CANCELLED (the signal; nothing took effect).
 */
export interface Db<S> {
  /**
   * Runs `fn` in one READ COMMITTED transaction: `select … for update` or compare-and-set wherever a
   * decision follows a read. Run again after a failover, deadlock or lock wait.
   * @throws DB_OUTCOME_UNKNOWN if the connection broke during COMMIT and the call is neither keyed nor
   *   idempotent, or the deadline passed before it was settled. A repetition with the same key settles it.
   */
  tx<T>(fn: (trx: Kysely<S>) => Promise<T>, options?: TxOptions): Promise<T>;
  /** Runs `fn` on one connection without a transaction: it only reads, or can bear to be run again. */
  read<T>(fn: (db: Kysely<S>) => Promise<T>, options?: CallOptions): Promise<T>;
  figures(): DbFigures;
  /** Ends all connections at once; calls in flight fail. */
  close(): Promise<void>;
}
