import type { Kysely } from 'kysely';
import { canonicalUser } from '#core/ids/canonical-user.ts';
import type { KeyTables } from '../store/tables-keys.ts';
import type { SourceTables } from '../store/tables-sources.ts';

/** A person as the directory knows him. */
export interface User {
  readonly name: string;
  readonly displayName: string;
  /** PHC string of Argon2id; undefined: this user cannot log in with a password. */
  readonly passwordHash: string | undefined;
  readonly disabled: boolean;
  readonly groups: readonly string[];
  /** The entry of a directory that it is; undefined: it is managed here. */
  readonly entry: UserEntryLink | undefined;
}

/** Where a user comes from. */
export interface UserEntryLink {
  readonly source: string;
  readonly id: string;
  readonly dn: string;
  /** PHC string of Argon2id; undefined: the source keeps none. */
  readonly verifier: string | undefined;
}

export { canonicalUser };

/** Bits of users.disabled: an administrator's word and that of the directory hold side by side. */
export const disabledHere = 1;
export const disabledBySource = 2;

export interface NewUser {
  readonly name: string;
  readonly displayName?: string | undefined;
  readonly passwordHash?: string | undefined;
  readonly groups: readonly string[];
}

export async function findUser(
  db: Kysely<KeyTables & Pick<SourceTables, 'source_users'>>,
  name: string,
): Promise<User | undefined> {
  const rows = await db
    .selectFrom('users')
    .leftJoin('user_groups', 'user_groups.user', 'users.name')
    .leftJoin('source_users', (join) =>
      join
        .onRef('source_users.source', '=', 'users.source')
        .onRef('source_users.entry_id', '=', 'users.source_entry'),
    )
    .select([
      'users.name',
      'users.display_name',
      'users.password_hash',
      'users.disabled',
      'user_groups.group_name',
      'users.source',
      'source_users.entry_id',
      'source_users.dn',
      'source_users.verifier',
    ])
    .where('users.name', '=', canonicalUser(name))
    .execute();
  const first = rows[0];
  if (first === undefined) return undefined;
  return {
    name: first.name,
    displayName: first.display_name,
    passwordHash: first.password_hash ?? undefined,
    disabled: first.disabled !== 0,
    groups: rows.flatMap((row) => (row.group_name === null ? [] : [row.group_name])).sort(),
    entry: entryOf(first),
  };
}

function entryOf(row: {
  source: string | null;
  entry_id: string | null;
  dn: string | null;
  verifier: string | null;
}): UserEntryLink | undefined {
  const { source, entry_id: id, dn, verifier } = row;
  if (source === null) return undefined;
  // Between a source's end and the next look at it there may be no entry: nobody logs in by one that is not there.
  return { source, id: id ?? '', dn: dn ?? '', verifier: verifier ?? undefined };
}

export async function insertUser(trx: Kysely<KeyTables>, user: NewUser, nowMs: number): Promise<void> {
  const name = canonicalUser(user.name);
  await trx
    .insertInto('users')
    .values({
      name,
      display_name: user.displayName ?? user.name,
      password_hash: user.passwordHash ?? null,
      disabled: 0,
      created_ms: nowMs,
      updated_ms: nowMs,
    })
    .execute();
  if (user.groups.length > 0) {
    await trx
      .insertInto('user_groups')
      .values([...new Set(user.groups)].map((group_name) => ({ user: name, group_name })))
      .execute();
  }
}
