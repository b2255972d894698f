import { type Kysely, type RawBuilder, sql } from 'kysely';
import type { NewRevocation } from '../feed/feed.ts';
import type { SecurityTables } from '../store/tables.ts';

export interface Renaming {
  readonly from: string;
  readonly to: string;
}

/**
 * Gives users of a source other names, one after the other. Devices, roles and activations stay theirs; sessions end,
 * for they have the old name. Gives what is to be put into the feed, by the old name; none for whoever keeps his, since
 * the other is another user's.
 */
export async function renameUsers(
  trx: Kysely<SecurityTables>,
  renamings: readonly Renaming[],
): Promise<ReadonlyMap<string, NewRevocation>> {
  const done = new Map<string, NewRevocation>();
  for (const wave of waves(renamings)) {
    const taken = await trx
      .selectFrom('users')
      .select('name')
      .where(
        'name',
        'in',
        wave.map(({ to }) => to),
      )
      .execute();
    const held = new Set(taken.map(({ name }) => name));
    const free = wave.filter(({ to }) => !held.has(to));
    if (free.length === 0) continue;
    await rename(trx, 'users', 'name', free);
    for (const table of ['user_groups', 'user_roles', 'activations', 'shared_keys'] as const) {
      await rename(trx, table, 'user', free);
    }
    for (const { from, to } of free) {
      done.set(from, { kind: 'user', subject: from, reason: `is ${to} now`.slice(0, 256) });
    }
  }
  return done;
}

/** Those that can be made at once: none waits for a name that another gives away. */
function waves(renamings: readonly Renaming[]): readonly (readonly Renaming[])[] {
  const found: Renaming[][] = [];
  let names = new Set<string>();
  for (const each of renamings) {
    const last = found.at(-1);
    if (last === undefined || names.has(each.to) || names.has(each.from)) {
      found.push([each]);
      names = new Set();
    } else last.push(each);
    names.add(each.from).add(each.to);
  }
  return found;
}

async function rename(
  trx: Kysely<SecurityTables>,
  table: 'users' | 'user_groups' | 'user_roles' | 'activations' | 'shared_keys',
  column: 'name' | 'user',
  renamings: readonly Renaming[],
): Promise<void> {
  const cases: RawBuilder<unknown>[] = renamings.map(({ from, to }) => sql`when ${from} then ${to}`);
  const names = sql.join(renamings.map(({ from }) => from));
  await sql`update ${sql.table(table)} set ${sql.ref(column)} = case ${sql.ref(column)} ${sql.join(cases, sql` `)} end
    where ${sql.ref(column)} in (${names})`.execute(trx);
}
