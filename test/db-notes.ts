/** Notes in a group's database, to see which of those that were acknowledged are there. */
import type { Db } from '#kernel/db/db.ts';
import { type Migration, migrate } from '#kernel/db/migrate.ts';
import { kernelMigrations } from '#kernel/db/migrations.ts';
import { openDb } from '#kernel/db/open-db.ts';
import type { DbGroup } from './db-group.ts';

export interface NoteTables {
  notes: { id: number };
}

/** Makes the table, and what else is to be made; gives the database to an application. */
export async function openNotes(
  { rwSocket, passwords }: DbGroup,
  others: readonly Migration[] = [],
): Promise<Db<NoteTables>> {
  const schema = openDb({ socketPath: rwSocket, user: 'migrate', password: passwords.migrate });
  await migrate(schema, [
    ...kernelMigrations,
    { name: 'test-0001-notes', up: 'create table notes (id bigint primary key)' },
    ...others,
  ]);
  await schema.close();
  return openDb({ socketPath: rwSocket, user: 'sallyport', password: passwords.app });
}

/** Resolves once it is acknowledged, whatever happens to the group for a minute and a half. */
export async function writeNote(db: Db<NoteTables>, id: number): Promise<void> {
  await db.tx(async (trx) => void (await trx.insertInto('notes').values({ id }).execute()), {
    deadlineMs: 90_000,
    key: `note-${id}`,
  });
}
