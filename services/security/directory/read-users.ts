import { type Kysely, sql } from 'kysely';
import type { DirectoryTables } from '../store/tables-directory.ts';
import { isPersonRole, type PersonRole } from './roles.ts';
import { canonicalUser } from './users.ts';

/** What administrators see of a user. */
export interface UserDetails {
  /** Canonical. */
  readonly name: string;
  readonly displayName: string;
  /** Sorted, as are the roles. */
  readonly groups: readonly string[];
  readonly roles: readonly PersonRole[];
  readonly disabled: boolean;
  readonly hasPassword: boolean;
  /** The directory that it comes from; undefined: it is managed here. */
  readonly source: string | undefined;
  /** Unix milliseconds, database time. */
  readonly createdMs: number;
  readonly updatedMs: number;
}

export interface UserPage {
  readonly group?: string | undefined;
  readonly role?: PersonRole | undefined;
  /** Only this one. */
  readonly name?: string | undefined;
  readonly namePrefix?: string | undefined;
  /** Name of the last one on the page before. */
  readonly after?: string | undefined;
  readonly limit: number;
}

/** By name. */
export async function listUsers(db: Kysely<DirectoryTables>, page: UserPage): Promise<UserDetails[]> {
  const { group, role, after, name } = page;
  const prefix = canonicalUser(page.namePrefix ?? '');
  const rows = await db
    .selectFrom('users')
    .select(['name', 'display_name', 'disabled', 'source', 'created_ms', 'updated_ms'])
    .select(sql<number>`password_hash is not null`.as('has_password'))
    .$if(name !== undefined, (q) => q.where('name', '=', canonicalUser(name ?? '')))
    .$if(after !== undefined, (q) => q.where('name', '>', after ?? ''))
    .$if(prefix !== '', (q) => q.where(sql<boolean>`left(name, ${[...prefix].length}) = ${prefix}`))
    .$if(group !== undefined, (q) =>
      q.where('name', 'in', (sub) =>
        sub
          .selectFrom('user_groups')
          .select('user')
          .where('group_name', '=', group ?? ''),
      ),
    )
    .$if(role !== undefined, (q) =>
      q.where('name', 'in', (sub) =>
        sub
          .selectFrom('user_roles')
          .select('user')
          .where('role', '=', role ?? ''),
      ),
    )
    .orderBy('name')
    .limit(page.limit)
    .execute();
  const names = rows.map((row) => row.name);
  const groups = await groupsOf(db, names);
  const roles = await rolesOf(db, names);
  return rows.map((row) => ({
    name: row.name,
    displayName: row.display_name,
    groups: groups.get(row.name) ?? [],
    roles: roles.get(row.name) ?? [],
    disabled: row.disabled !== 0,
    hasPassword: Number(row.has_password) !== 0,
    source: row.source ?? undefined,
    createdMs: row.created_ms,
    updatedMs: row.updated_ms,
  }));
}

export async function findUserDetails(
  db: Kysely<DirectoryTables>,
  name: string,
): Promise<UserDetails | undefined> {
  const [user] = await listUsers(db, { name, limit: 1 });
  return user;
}

export async function groupsOf(
  db: Kysely<DirectoryTables>,
  users: readonly string[],
): Promise<Map<string, string[]>> {
  if (users.length === 0) return new Map();
  const rows = await db
    .selectFrom('user_groups')
    .selectAll()
    .where('user', 'in', users)
    .orderBy('group_name')
    .execute();
  return collect(rows.map((row) => [row.user, row.group_name]));
}

async function rolesOf(
  db: Kysely<DirectoryTables>,
  users: readonly string[],
): Promise<Map<string, PersonRole[]>> {
  if (users.length === 0) return new Map();
  const rows = await db
    .selectFrom('user_roles')
    .selectAll()
    .where('user', 'in', users)
    .orderBy('role')
    .execute();
  return collect(rows.flatMap(({ user, role }) => (isPersonRole(role) ? [[user, role] as const] : [])));
}

function collect<V>(pairs: readonly (readonly [string, V])[]): Map<string, V[]> {
  const all = new Map<string, V[]>();
  for (const [key, value] of pairs) all.set(key, [...(all.get(key) ?? []), value]);
  return all;
}
