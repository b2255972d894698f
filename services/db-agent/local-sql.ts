import type { Kysely } from 'kysely';
import { type Connection, connect } from '#kernel/db/connection.ts';
import { withDeadline } from '#kernel/time/deadline.ts';

export interface LocalAccount {
  readonly socketPath: string;
  readonly user: string;
  readonly password: string;
}

/** Tables are reached by raw SQL here. */
type NoTables = Record<never, never>;
export type LocalDb = Kysely<NoTables>;
export type LocalConnection = Connection<NoTables>;

/** A connection to this pod's own mysqld. */
export function openLocal(account: LocalAccount, connectTimeoutMs = 2000): Promise<LocalConnection> {
  return connect<NoTables>({ ...account, connectTimeoutMs });
}

/** Runs `work` on a connection of its own, which is cut after `ms`. @throws DEADLINE, or what `work` throws. */
export async function onLocal<T>(
  account: LocalAccount,
  ms: number,
  what: string,
  work: (db: LocalDb) => Promise<T>,
): Promise<T> {
  const connection = await openLocal(account, Math.min(ms, 10_000));
  try {
    return await withDeadline(work(connection.kysely), ms, { what });
  } finally {
    connection.cut(new Error(`${what}: done with this connection`));
  }
}
