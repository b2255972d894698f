import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';

/** An order as it is kept. */
export interface Order {
  readonly number: number;
  /** Who placed it. */
  readonly user: string;
  /** The Idempotency-Key it came with. */
  readonly key: string | null;
  /** The `x-client-request-id` it came with; the same through all repetitions by the SDK. */
  readonly request: string | null;
  readonly body: string;
  /** When it was placed: CLOCK_MONOTONIC of the machine in milliseconds, and Unix milliseconds. */
  readonly at: number;
  readonly wall: number;
}

export interface Placed {
  readonly order: Order;
  /** This key had placed it before; nothing was done now. */
  readonly again: boolean;
}

/** Orders of the demo's intranet: what is placed once stays, and placed again under its key it stays one. */
export interface Orders {
  /** Undefined when there are too many. A process that is killed after this has returned has not lost it. */
  place(given: Pick<Order, 'user' | 'key' | 'request' | 'body'>): Placed | undefined;
  /** What became of a request, for whoever was told UNKNOWN_OUTCOME. */
  ofRequest(user: string, request: string): Order | undefined;
  close(): void;
}

const maxOrders = 1_000_000;

/** Opens the file, which several pods may share. */
export function openOrders(file: string): Orders {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  // Another pod writes for microseconds; but pods that start together also make the file together.
  const db = new DatabaseSync(file, { timeout: 5000 });
  // Survives killed processes, not lost power: it is a demo's.
  db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF');
  db.exec(
    'CREATE TABLE IF NOT EXISTS orders (number INTEGER PRIMARY KEY, user TEXT NOT NULL, key TEXT, ' +
      'request TEXT, body TEXT NOT NULL, at REAL NOT NULL, wall REAL NOT NULL, UNIQUE (user, key)) STRICT',
  );
  db.exec('CREATE INDEX IF NOT EXISTS orders_by_request ON orders (user, request)');
  const insert = db.prepare(
    'INSERT INTO orders (user, key, request, body, at, wall) VALUES (?, ?, ?, ?, ?, ?) ' +
      'ON CONFLICT DO NOTHING RETURNING *',
  );
  const byKey = db.prepare('SELECT * FROM orders WHERE user = ? AND key = ?');
  const byRequest = db.prepare('SELECT * FROM orders WHERE user = ? AND request = ?');
  const last = db.prepare('SELECT max(number) AS number FROM orders');
  return {
    place: ({ user, key, request, body }) => {
      if (Number(last.get()?.number ?? 0) >= maxOrders) return undefined;
      const at = Number(process.hrtime.bigint()) / 1e6;
      const order = one(insert, user, key, request, body, at, Date.now());
      if (order !== undefined) return { order, again: false };
      const before = one(byKey, user, key);
      return before && { order: before, again: true };
    },
    ofRequest: (user, request) => one(byRequest, user, request),
    close: () => db.close(),
  };
}

/** Orders of a file with numbers above `after`, in their order; the intranet may go on meanwhile. */
export function* readOrders(file: string, after = 0): Generator<Order> {
  const db = new DatabaseSync(file, { readOnly: true });
  try {
    const all = db.prepare('SELECT * FROM orders WHERE number > ? ORDER BY number');
    for (const row of all.iterate(after)) yield orderOf(row);
  } finally {
    db.close();
  }
}

function one(statement: StatementSync, ...values: (string | number | null)[]): Order | undefined {
  const row = statement.get(...values);
  return row && orderOf(row);
}

const orderOf = (row: Record<string, unknown>): Order => ({ ...row }) as unknown as Order;
