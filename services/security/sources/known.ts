import type { Kysely } from 'kysely';
import { nextTurn } from '#kernel/time/next-turn.ts';
import type { SecurityTables } from '../store/tables.ts';
import type { KnownUser } from './entries.ts';
import type { GroupEntry } from './membership.ts';
import type { Known } from './snapshot.ts';

/** Rows of one read: some MiB. */
const pageRows = 5000;
const groupRows = 1000;

/** Reads what the database has of a source. */
export async function readKnown(
  read: <T>(fn: (db: Kysely<SecurityTables>) => Promise<T>) => Promise<T>,
  source: string,
): Promise<Known> {
  const users = new Map<string, KnownUser>();
  // Many users are in the same groups: one text for all of them.
  const texts = new Map<string, string>();
  for (let after = ''; ; ) {
    const rows = await read((db) =>
      db
        .selectFrom('source_users')
        .select(['entry_id', 'name', 'dn', 'display_name', 'disabled', 'groups_json'])
        .where('source', '=', source)
        .where('entry_id', '>', after)
        .orderBy('entry_id')
        .limit(pageRows)
        .execute(),
    );
    for (const row of rows) {
      const groups = texts.get(row.groups_json) ?? row.groups_json;
      texts.set(groups, groups);
      const { entry_id: id, name, dn, display_name: displayName } = row;
      users.set(id, { id, name, dn, displayName, disabled: row.disabled !== 0, groups });
    }
    const last = rows.at(-1);
    if (last === undefined || rows.length < pageRows) break;
    after = last.entry_id;
    await nextTurn();
  }
  return { users, groups: await readGroups(read, source) };
}

async function readGroups(
  read: <T>(fn: (db: Kysely<SecurityTables>) => Promise<T>) => Promise<T>,
  source: string,
): Promise<Map<string, GroupEntry>> {
  const groups = new Map<string, GroupEntry>();
  for (let after = ''; ; ) {
    const rows = await read((db) =>
      db
        .selectFrom('source_groups')
        .select(['entry_id', 'name', 'dn', 'members'])
        .where('source', '=', source)
        .where('entry_id', '>', after)
        .orderBy('entry_id')
        .limit(groupRows)
        .execute(),
    );
    for (const { entry_id: id, ...rest } of rows) groups.set(id, { id, ...rest });
    const last = rows.at(-1);
    if (last === undefined || rows.length < groupRows) return groups;
    after = last.entry_id;
  }
}
