import { type Kysely, sql } from 'kysely';

/** The database's time in Unix milliseconds, as an expression. */
export const databaseNow = sql<number>`cast(unix_timestamp(now(3)) * 1000 as signed)`;

/** Asks for it. */
export async function readDatabaseNow<S>(on: Kysely<S>): Promise<number> {
  const { rows } = await sql<{ now_ms: number }>`select ${databaseNow} as now_ms`.execute(on);
  return Number(rows[0]?.now_ms);
}
