import { connect as openSocket } from 'node:net';
import {
  type CompiledQuery,
  type DatabaseConnection,
  type Driver,
  Kysely,
  MysqlAdapter,
  MysqlIntrospector,
  MysqlQueryCompiler,
  type QueryResult,
} from 'kysely';
import { createConnection, type Connection as Raw } from 'mysql2';

export interface ConnectOptions {
  /** Unix socket: `db-rw.sock` or `db-ro.sock` of the sidecar, or mysqld's own. */
  readonly socketPath: string;
  readonly user: string;
  readonly password: string;
  readonly database?: string;
  /** Milliseconds for connecting and logging in. */
  readonly connectTimeoutMs: number;
  /** Statements to run on each new connection, such as `set session …`. */
  readonly init?: readonly string[];
}

/** One connection to MySQL, and the Kysely that runs on it alone. */
export interface Connection<S> {
  readonly kysely: Kysely<S>;
  /** False once anything went wrong with the wire: it must not be used for another caller. */
  readonly usable: boolean;
  /** Runs one statement as it stands. */
  run(sql: string): Promise<void>;
  /** Ends it at once; a statement in flight fails with `error`. */
  cut(error: Error): void;
}

/** @throws whatever Node or mysql2 throws when there is nobody to connect to: nothing has been sent then. */
export async function connect<S>(o: ConnectOptions): Promise<Connection<S>> {
  const socket = openSocket(o.socketPath);
  const raw = createConnection({
    // Ours, so that it can be destroyed; with the path, by which mysql2 knows that the wire is local.
    stream: () => socket,
    socketPath: o.socketPath,
    user: o.user,
    password: o.password,
    ...(o.database === undefined ? {} : { database: o.database }),
    connectTimeout: o.connectTimeoutMs,
    charset: 'utf8mb4',
    timezone: 'Z',
    supportBigNumbers: true,
  });
  let usable = true;
  const spoil = (): void => {
    usable = false;
  };
  socket.on('end', spoil).on('close', spoil);
  const opened = new Promise<void>((resolve, reject) => {
    raw.once('connect', () => resolve());
    // Stays for the connection's life: an 'error' event without a listener would end the process. The
    // statement in flight, if any, gets the same error.
    raw.on('error', (error: Error) => {
      spoil();
      reject(error);
    });
  });
  const cut = (error: Error): void => {
    spoil();
    // mysql2's destroy() only half-closes: a statement pending on a hung server would never settle.
    socket.destroy(error);
  };
  try {
    await opened;
    for (const statement of o.init ?? []) await query(raw, statement);
  } catch (error) {
    cut(error instanceof Error ? error : new Error(String(error)));
    throw error;
  }
  return {
    kysely: kyselyOn<S>((text, parameters) => query(raw, text, parameters)),
    get usable() {
      return usable;
    },
    run: async (sql) => {
      await query(raw, sql);
    },
    cut,
  };
}

function query(raw: Raw, sql: string, parameters: readonly unknown[] = []): Promise<unknown> {
  return new Promise((resolve, reject) => {
    raw.query(sql, [...parameters], (error, result) => {
      if (!error) return resolve(result);
      // mysql2 adds the whole statement, values included: no place for them in logs.
      Reflect.deleteProperty(error, 'sql');
      reject(error);
    });
  });
}

interface Changed {
  affectedRows: number;
  changedRows?: number;
  insertId: number | string;
}

const isChanged = (result: unknown): result is Changed =>
  typeof result === 'object' && result !== null && 'affectedRows' in result;

/** A Kysely on whatever runs one statement with its values. It has no transactions of its own: see db.tx(). */
export function kyselyOn<S>(
  run: (sql: string, parameters: readonly unknown[]) => Promise<unknown>,
): Kysely<S> {
  const connection: DatabaseConnection = {
    executeQuery: async <R>(compiled: CompiledQuery): Promise<QueryResult<R>> => {
      const result = await run(compiled.sql, compiled.parameters);
      if (!isChanged(result)) return { rows: Array.isArray(result) ? (result as R[]) : [] };
      return {
        rows: [],
        numAffectedRows: BigInt(result.affectedRows),
        ...(result.changedRows === undefined ? {} : { numChangedRows: BigInt(result.changedRows) }),
        ...(String(result.insertId) === '0' ? {} : { insertId: BigInt(result.insertId) }),
      };
    },
    streamQuery: () => {
      throw new Error('results are not streamed here; page by key instead');
    },
  };
  // A nested BEGIN would commit what came before it: transactions are begun and ended by tx() alone.
  const refuse = (): Promise<never> =>
    Promise.reject(new Error('use db.tx(), which runs again after a failover'));
  const nothing = (): Promise<void> => Promise.resolve();
  const driver: Driver = {
    init: nothing,
    acquireConnection: () => Promise.resolve(connection),
    beginTransaction: refuse,
    commitTransaction: refuse,
    rollbackTransaction: refuse,
    releaseConnection: nothing,
    destroy: nothing,
  };
  return new Kysely<S>({
    dialect: {
      createDriver: () => driver,
      createAdapter: () => new MysqlAdapter(),
      createIntrospector: (db) => new MysqlIntrospector(db),
      createQueryCompiler: () => new MysqlQueryCompiler(),
    },
  });
}
