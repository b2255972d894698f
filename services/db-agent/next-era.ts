import { sql } from 'kysely';
import { schema } from './accounts.ts';
import type { LocalDb } from './local-sql.ts';

/** Begins another era in data that nobody serves: sessions of earlier ones are void then, and no epoch is given twice. */
export async function beginNextEra(
  db: LocalDb,
  next: (before: number) => number = (before) => before + 1,
): Promise<number> {
  const table = sql.id(schema, 'era');
  const { rows } = await sql<{ era: number }>`select era from ${table} where id = 1`.execute(db);
  const era = next(Number(rows[0]?.era ?? 0));
  await sql`update ${table} set era = ${era} where id = 1`.execute(db);
  return era;
}
