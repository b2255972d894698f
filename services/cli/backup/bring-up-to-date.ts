import { sql } from 'kysely';
import { SallyportError } from '#core/errors/error.ts';
import { migrate } from '#kernel/db/migrate.ts';
import { schema } from '#services/db-agent/accounts.ts';
import type { LocalDb } from '#services/db-agent/local-sql.ts';
import { securityMigrations } from '#services/security/store/migrations.ts';

/**
 * Applies to restored data the migrations that their release did not have yet; gives their names. Data from before the
 * security tier's first start have no schema, and get theirs from it.
 * @throws BACKUP_NEWER when the data have migrations that this release does not know
 */
export async function bringUpToDate(db: LocalDb, progress: (line: string) => void): Promise<string[]> {
  const found = await sql`select 1 from information_schema.tables
    where table_schema = ${schema} and table_name = 'migrations'`.execute(db);
  if (found.rows.length === 0) return [];
  await sql`use ${sql.id(schema)}`.execute(db);
  const known = new Set(securityMigrations.map(({ name }) => name));
  const { rows } = await sql<{ name: string }>`select name from migrations order by begun, name`.execute(db);
  const newer = rows.map(({ name }) => name).filter((name) => !known.has(name));
  if (newer.length > 0) {
    throw new SallyportError('BACKUP_NEWER', {
      message: `the backup has ${newer.length} migrations that this release does not know, ${newer[0]} first`,
    });
  }
  return migrate<Record<never, never>>({ read: (work) => work(db) }, securityMigrations, { progress });
}
