import { type Kysely, sql } from 'kysely';
import { SallyportError } from '#core/errors/error.ts';
import { isDuplicate } from '#kernel/db/failures.ts';
import type { Feed } from '../feed/feed.ts';
import { maxGroups } from '../sources/names.ts';
import type { SecurityTables } from '../store/tables.ts';
import { findUserDetails, type UserDetails } from './read-users.ts';
import type { PersonRole } from './roles.ts';
import { canonicalUser, disabledBySource, disabledHere, insertUser, type NewUser } from './users.ts';

/** Entries are appended in the transaction of the change: there is no moment at which only one of them holds. */
export interface ChangeContext {
  readonly trx: Kysely<SecurityTables>;
  readonly feed: Pick<Feed, 'append'>;
  /** Database time. */
  readonly nowMs: number;
  /** Is asked, once the user is locked, before anything is changed. @throws CALLER_NOT_ALLOWED */
  readonly mayChange: (user: UserDetails) => void;
}

/** What a change came to. Survives JSON. */
export interface UserChange {
  readonly user: UserDetails;
  /** Of the entry that ends the user's sessions; 0: they go on. */
  readonly position: number;
}

export interface UserUpdate {
  readonly displayName?: string | undefined;
  readonly groups?: readonly string[] | undefined;
  readonly addGroups?: readonly string[] | undefined;
  readonly removeGroups?: readonly string[] | undefined;
  readonly roles?: readonly PersonRole[] | undefined;
  readonly disabled?: boolean | undefined;
}

/** @throws ALREADY_EXISTS */
export async function createUser(
  { trx, nowMs }: ChangeContext,
  user: NewUser & { readonly roles: readonly PersonRole[] },
): Promise<UserChange> {
  try {
    await insertUser(trx, user, nowMs);
  } catch (error) {
    if (!isDuplicate(error)) throw error;
    throw new SallyportError('ALREADY_EXISTS', { message: `there is a user "${canonicalUser(user.name)}"` });
  }
  await setRoles(trx, canonicalUser(user.name), user.roles);
  return { user: await detailsOf(trx, user.name), position: 0 };
}

/** @throws NOT_FOUND, INVALID_FIELD (too many groups) */
export async function updateUser(
  { trx, feed, nowMs, mayChange }: ChangeContext,
  name: string,
  update: UserUpdate,
): Promise<UserChange> {
  const before = await locked(trx, name, mayChange);
  const { displayName, groups: others, addGroups, removeGroups } = update;
  if ([displayName, others, addGroups, removeGroups].some((each) => each !== undefined)) assertOwn(before);
  const groups = groupsAfter(before.groups, update);
  const disabled = update.disabled ?? before.disabled;
  await trx
    .updateTable('users')
    .set({
      display_name: update.displayName ?? before.displayName,
      updated_ms: nowMs,
      ...(update.disabled !== undefined && {
        disabled: sql<number>`(disabled & ${disabledBySource}) | ${update.disabled ? disabledHere : 0}`,
      }),
    })
    .where('name', '=', before.name)
    .execute();
  const regrouped = groups.join('\0') !== before.groups.join('\0');
  if (regrouped) await setGroups(trx, before.name, groups);
  if (update.roles !== undefined) await setRoles(trx, before.name, update.roles);
  let position = 0;
  if (disabled && !before.disabled) {
    position = await feed.append({ kind: 'user', subject: before.name, reason: 'disabled' }, trx);
  } else if (regrouped) {
    position = await feed.append({ kind: 'groups', subject: before.name, reason: 'other groups' }, trx);
  }
  return { user: await detailsOf(trx, before.name), position };
}

/** @throws NOT_FOUND */
export async function setPassword(
  { trx, feed, nowMs, mayChange }: ChangeContext,
  name: string,
  passwordHash: string,
): Promise<UserChange> {
  const user = await locked(trx, name, mayChange);
  assertOwn(user);
  await trx
    .updateTable('users')
    .set({ password_hash: passwordHash, updated_ms: nowMs })
    .where('name', '=', user.name)
    .execute();
  const entry = { kind: 'user', subject: user.name, reason: 'another password' } as const;
  return { user: { ...user, hasPassword: true, updatedMs: nowMs }, position: await feed.append(entry, trx) };
}

/** Whoever is given the name later inherits nothing. @throws NOT_FOUND */
export async function deleteUser(
  { trx, feed, nowMs, mayChange }: ChangeContext,
  name: string,
  reason: string,
): Promise<UserChange> {
  const user = await locked(trx, name, mayChange);
  assertOwn(user);
  await removeUsers(trx, [user.name], nowMs);
  const entry = { kind: 'user', subject: user.name, reason: reason || 'removed' } as const;
  return { user, position: await feed.append(entry, trx) };
}

/** @throws SOURCE_OWNS: what is changed here would be changed back */
function assertOwn({ name, source }: UserDetails): void {
  if (source === undefined) return;
  throw new SallyportError('SOURCE_OWNS', { message: `${name} comes from the source ${source}` });
}

/** With all that they have here; whoever calls ends their sessions. */
export async function removeUsers(
  trx: Kysely<SecurityTables>,
  names: readonly string[],
  nowMs: number,
): Promise<void> {
  if (names.length === 0) return;
  // Activations first: an enrolment that is just using one up is waited for, and found below.
  await trx.deleteFrom('activations').where('user', 'in', names).execute();
  await trx
    .updateTable('shared_keys')
    .set({ revoked_ms: nowMs })
    .where('user', 'in', names)
    .where('revoked_ms', 'is', null)
    .execute();
  await trx.deleteFrom('user_groups').where('user', 'in', names).execute();
  await trx.deleteFrom('user_roles').where('user', 'in', names).execute();
  await trx.deleteFrom('users').where('name', 'in', names).execute();
}

/** Held until the transaction ends. @throws NOT_FOUND, CALLER_NOT_ALLOWED */
async function locked(
  trx: Kysely<SecurityTables>,
  name: string,
  mayChange: ChangeContext['mayChange'],
): Promise<UserDetails> {
  await trx
    .selectFrom('users')
    .select('name')
    .where('name', '=', canonicalUser(name))
    .forUpdate()
    .executeTakeFirst();
  const user = await detailsOf(trx, name);
  mayChange(user);
  return user;
}

/** @throws NOT_FOUND */
async function detailsOf(trx: Kysely<SecurityTables>, name: string): Promise<UserDetails> {
  const user = await findUserDetails(trx, name);
  if (user !== undefined) return user;
  throw new SallyportError('NOT_FOUND', { message: `there is no user "${canonicalUser(name)}"` });
}

function groupsAfter(before: readonly string[], update: UserUpdate): string[] {
  const groups = new Set(update.groups ?? before);
  for (const group of update.addGroups ?? []) groups.add(group);
  for (const group of update.removeGroups ?? []) groups.delete(group);
  if (groups.size <= maxGroups) return [...groups].sort();
  throw new SallyportError('INVALID_FIELD', { message: `a user is in at most ${maxGroups} groups` });
}

export async function setGroups(
  trx: Kysely<SecurityTables>,
  user: string,
  groups: readonly string[],
): Promise<void> {
  await trx.deleteFrom('user_groups').where('user', '=', user).execute();
  if (groups.length === 0) return;
  await trx
    .insertInto('user_groups')
    .values(groups.map((group_name) => ({ user, group_name })))
    .execute();
}

async function setRoles(
  trx: Kysely<SecurityTables>,
  user: string,
  roles: readonly PersonRole[],
): Promise<void> {
  await trx.deleteFrom('user_roles').where('user', '=', user).execute();
  if (roles.length === 0) return;
  await trx
    .insertInto('user_roles')
    .values(roles.map((role) => ({ user, role })))
    .execute();
}
