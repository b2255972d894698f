import { type Kysely, sql } from 'kysely';
import type { SecurityTables } from '../store/tables.ts';

/** In which groups users are, by way of other groups, too: names, sorted. Groups may hold each other in circles. */
export async function groupsOfUsers(
  trx: Kysely<SecurityTables>,
  source: string,
  users: readonly string[],
): Promise<ReadonlyMap<string, readonly string[]>> {
  const groups = new Map<string, string[]>(users.map((id) => [id, []]));
  if (users.length === 0) return groups;
  // `union` takes each pair once, so a circle ends.
  const { rows } = await sql<{ user: string; name: string }>`
    with recursive up (user, id) as (
      select member_id, group_id from scim_members where source = ${source} and member_id in (${sql.join(users)})
      union
      select up.user, m.group_id from up join scim_members m on m.source = ${source} and m.member_id = up.id
    )
    select up.user, r.shown as name from up
      join scim_resources r on r.source = ${source} and r.kind = 'Group' and r.id = up.id`.execute(trx);
  for (const { user, name } of rows) groups.get(user)?.push(name);
  for (const names of groups.values()) names.sort();
  return groups;
}

/** Ids of users among these ids, or in groups among them, by way of others, too. */
export async function usersBeneath(
  trx: Kysely<SecurityTables>,
  source: string,
  ids: readonly string[],
): Promise<readonly string[]> {
  if (ids.length === 0) return [];
  const { rows } = await sql<{ id: string }>`
    with recursive down (id) as (
      select id from scim_resources where source = ${source} and kind in ('User', 'Group') and id in (${sql.join(ids)})
      union
      select m.member_id from down join scim_members m on m.source = ${source} and m.group_id = down.id
    )
    select r.id from down
      join scim_resources r on r.source = ${source} and r.kind = 'User' and r.id = down.id
      order by r.id`.execute(trx);
  return rows.map(({ id }) => id);
}
