import { SallyportError } from '#core/errors/error.ts';
import type { Db } from '#kernel/db/db.ts';
import type { CallContext } from '#kernel/rpc/handlers.ts';
import { held } from '#kernel/rpc/hold.ts';
import type { Actor } from '#services/tasks/store/change-items.ts';
import { type Administrators, rankOf } from '../authorize/administrators.ts';
import { findUserDetails } from '../directory/read-users.ts';
import { personRoles } from '../directory/roles.ts';
import type { SecurityTables } from '../store/tables.ts';

/**
 * Whoever works on items, with the groups and roles of now: one that was taken away is gone at once.
 * @throws CALLER_NOT_ALLOWED, TOKEN_INVALID, STALE, DB_UNAVAILABLE
 */
export async function actorOf(
  { admins, db }: { readonly admins: Administrators; readonly db: Pick<Db<SecurityTables>, 'read'> },
  call: CallContext,
): Promise<Actor> {
  const { name, owner, highest } = await admins.admitOwner(call);
  const person = name.startsWith('person/') ? name.slice('person/'.length) : undefined;
  const everybody = owner === undefined;
  if (person === undefined) return { name, user: undefined, candidates: [], everybody };
  const user = await db.read((on) => findUserDetails(on, person), held(call));
  if (user === undefined || user.disabled) {
    throw new SallyportError('CALLER_NOT_ALLOWED', { message: `${person} is no user any more` });
  }
  const rank = Math.max(-1, ...user.roles.map(rankOf));
  const allowed = highest === undefined ? -1 : rankOf(highest);
  const roles = personRoles.slice(0, Math.min(rank, allowed) + 1);
  return {
    ...{ name, user: user.name, everybody },
    candidates: [
      `user/${user.name}`,
      ...user.groups.map((group) => `group/${group}`),
      ...roles.map((role) => `role/${role}`),
    ],
  };
}
