import { type Kysely, sql } from 'kysely';
import type { SessionTables } from './tables-sessions.ts';

/**
 * Holds the named lock until the transaction ends: pods that would do the same thing at once take turns.
 * @param name at most 64 ASCII characters; its row is made when first asked for
 */
export async function lockRow(trx: Kysely<SessionTables>, name: string): Promise<void> {
  await sql`insert ignore into locks (name) values (${name})`.execute(trx);
  await trx.selectFrom('locks').select('name').where('name', '=', name).forUpdate().executeTakeFirst();
}
