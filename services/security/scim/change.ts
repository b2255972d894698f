import { randomUUID } from 'node:crypto';
import type { Kysely } from 'kysely';
import { SallyportError } from '#core/errors/error.ts';
import { isDuplicate } from '#kernel/db/failures.ts';
import { canonicalUser } from '../directory/users.ts';
import type { NewRevocation } from '../feed/feed.ts';
import { mirror, owned } from '../sources/apply-plan.ts';
import { groupName, loginName, maxGroups, maxName } from '../sources/names.ts';
import { renameUsers } from '../sources/rename-users.ts';
import { settingsFromText } from '../sources/settings.ts';
import { settleUsers } from '../sources/settle-users.ts';
import type { SecurityTables } from '../store/tables.ts';
import { groupsOfUsers, usersBeneath } from './memberships.ts';
import { memberIds, type ResourceRow, readResource } from './read.ts';
import { isId, isObject, type Json, type JsonObject, type Kind } from './schema.ts';
import { scimError } from './scim-error.ts';
import { countTaking, forgetTaking } from './takings.ts';

export interface ChangeContext {
  readonly trx: Kysely<SecurityTables>;
  readonly source: string;
  /** Database time. */
  readonly nowMs: number;
}

/** What is to be put into the feed in the same transaction: sessions that are over. */
export type Ended = readonly NewRevocation[];

const maxResources: Readonly<Record<Kind, number>> = { User: 200_000, Group: 20_000 };
/** Users that one request may put into other groups. */
const maxRegrouped = 50_000;
const atOnce = 500;

/**
 * Changes of one source are made one after the other.
 * @throws TOKEN_INVALID, DB_BUSY (it is being removed)
 */
export async function lockSource({ trx, source, nowMs }: ChangeContext): Promise<void> {
  const row = await trx
    .selectFrom('sources')
    .select(['settings', 'lease_until_ms'])
    .where('name', '=', source)
    .forUpdate()
    .executeTakeFirst();
  if (row === undefined || !settingsFromText(row.settings).scim) throw new SallyportError('TOKEN_INVALID');
  if (row.lease_until_ms > nowMs) {
    throw new SallyportError('DB_BUSY', { message: `${source} is being removed`, retryAfterMs: 5000 });
  }
}

/** Makes or changes a resource. @throws SCIM_INVALID, SCIM_HELD, ALREADY_EXISTS */
export async function putResource(
  context: ChangeContext,
  kind: Kind,
  before: ResourceRow | undefined,
  wanted: JsonObject,
): Promise<{ readonly id: string; readonly ended: Ended }> {
  const { trx, source, nowMs } = context;
  const { members, ...body } = wanted;
  const said = kind === 'User' ? userNames(body) : groupNames(body);
  const row = {
    key_name: said.name,
    external_id: typeof body.externalId === 'string' ? body.externalId : null,
    shown: said.shown,
    active: body.active === false ? 0 : 1,
    body: JSON.stringify(body),
    updated_ms: nowMs,
  };
  if ((row.external_id ?? '').length > 256) throw scimError('invalidValue', 'externalId is too long');
  const id = before?.id ?? randomUUID().replaceAll('-', '');
  if (kind === 'User' && before !== undefined && before.active !== row.active) {
    await (row.active === 0 ? countTaking(context, id) : forgetTaking(context, id));
  }
  const key = { source, kind, id };
  try {
    if (before === undefined) {
      await assertRoom(context, kind);
      await trx
        .insertInto('scim_resources')
        .values({ ...key, ...row, version: 1, created_ms: nowMs })
        .execute();
    } else {
      await trx
        .updateTable('scim_resources')
        .set({ ...row, version: before.version + 1 })
        .where('source', '=', source)
        .where('kind', '=', kind)
        .where('id', '=', id)
        .execute();
    }
  } catch (error) {
    if (!isDuplicate(error)) throw error;
    throw scimError('uniqueness', `another ${kind} has this ${said.attribute} or this externalId`);
  }
  if (kind === 'User') return { id, ended: await derive(context, [id], { before }) };
  const touched = await putMembers(context, id, members);
  const renamed = before !== undefined && before.shown !== said.shown;
  return {
    id,
    ended: await derive(context, await usersBeneath(trx, source, renamed ? [id, ...touched] : touched)),
  };
}

/** @throws NOT_FOUND, SCIM_HELD */
export async function deleteResource(context: ChangeContext, kind: Kind, id: string): Promise<Ended> {
  const { trx, source } = context;
  const row = await readResource(trx, source, kind, id);
  if (kind === 'User' && row.active === 1) await countTaking(context, id);
  const beneath = kind === 'Group' ? await usersBeneath(trx, source, [id]) : [];
  await trx
    .deleteFrom('scim_members')
    .where('source', '=', source)
    .where(({ eb, or }) => or([eb('group_id', '=', id), eb('member_id', '=', id)]))
    .execute();
  await trx
    .deleteFrom('scim_resources')
    .where('source', '=', source)
    .where('kind', '=', kind)
    .where('id', '=', id)
    .execute();
  if (kind === 'Group') return derive(context, beneath);
  await trx.deleteFrom('source_users').where('source', '=', source).where('entry_id', '=', id).execute();
  return (await settleUsers(context, [row.key_name])).ended;
}

interface Names {
  readonly attribute: string;
  readonly name: string;
  readonly shown: string;
}

function userNames({ userName, displayName, name }: JsonObject): Names {
  if (typeof userName !== 'string' || !loginName.test(userName)) {
    throw scimError('invalidValue', 'userName must be a name to log in with');
  }
  const canonical = canonicalUser(userName);
  if (canonical.length > maxName) throw scimError('invalidValue', 'userName is too long');
  const { formatted, givenName, familyName } = isObject(name) ? name : {};
  const parts = [givenName, familyName].filter((each) => typeof each === 'string').join(' ');
  const shown = [displayName, formatted, parts, userName].find(
    (each) => typeof each === 'string' && each.trim() !== '',
  );
  return { attribute: 'userName', name: canonical, shown: [...String(shown)].slice(0, 256).join('') };
}

function groupNames({ displayName }: JsonObject): Names {
  if (typeof displayName !== 'string' || !groupName.test(displayName) || displayName.length > maxName) {
    throw scimError('invalidValue', `displayName must be a name of at most ${maxName} characters`);
  }
  return { attribute: 'displayName', name: canonicalUser(displayName), shown: displayName };
}

async function assertRoom({ trx, source }: ChangeContext, kind: Kind): Promise<void> {
  const row = await trx
    .selectFrom('scim_resources')
    .select(({ fn }) => fn.countAll<number>().as('n'))
    .where('source', '=', source)
    .where('kind', '=', kind)
    .executeTakeFirst();
  if (Number(row?.n ?? 0) < maxResources[kind]) return;
  throw scimError('tooMany', `${source} has ${maxResources[kind]} resources of type ${kind} already`);
}

/** Ids of members that are new or gone. @throws SCIM_INVALID */
async function putMembers(
  { trx, source }: ChangeContext,
  group: string,
  members: Json | undefined,
): Promise<readonly string[]> {
  const wanted = new Set<string>();
  for (const each of Array.isArray(members) ? members : [])
    wanted.add(String(isObject(each) ? each.value : each));
  if (wanted.has(group)) throw scimError('invalidValue', 'a group is not a member of itself');
  const had = new Set(await memberIds(trx, source, group));
  const added = [...wanted].filter((id) => !had.has(id));
  const gone = [...had].filter((id) => !wanted.has(id));
  const assertKnown = (ids: readonly string[], known: (id: string) => boolean): void => {
    const missing = ids.find((id) => !known(id));
    if (missing === undefined) return;
    throw scimError('invalidValue', `there is no user or group ${missing.slice(0, 64)}`);
  };
  assertKnown(added, isId);
  for (const ids of parts(added)) {
    const there = await trx
      .selectFrom('scim_resources')
      .select('id')
      .where('source', '=', source)
      .where('kind', 'in', ['User', 'Group'])
      .where('id', 'in', ids)
      .execute();
    const known = new Set(there.map(({ id }) => id));
    assertKnown(ids, (id) => known.has(id));
    await trx
      .insertInto('scim_members')
      .values(ids.map((member_id) => ({ source, group_id: group, member_id })))
      .execute();
  }
  for (const ids of parts(gone)) {
    await trx
      .deleteFrom('scim_members')
      .where('source', '=', source)
      .where('group_id', '=', group)
      .where('member_id', 'in', ids)
      .execute();
  }
  return [...added, ...gone];
}

function parts(ids: readonly string[]): (readonly string[])[] {
  return Array.from({ length: Math.ceil(ids.length / atOnce) }, (_, n) =>
    ids.slice(n * atOnce, (n + 1) * atOnce),
  );
}

/** Brings the users here in step with these of the source. @throws SCIM_INVALID, ALREADY_EXISTS */
async function derive(
  context: ChangeContext,
  ids: readonly string[],
  /** It is about this one user, who was so before. */
  own?: { readonly before: ResourceRow | undefined },
): Promise<Ended> {
  const { trx, source } = context;
  const before = own?.before;
  if (ids.length > maxRegrouped) {
    throw scimError('tooMany', `it would put ${ids.length} users into other groups, and may ${maxRegrouped}`);
  }
  const ended: NewRevocation[] = [];
  for (const some of parts(ids)) {
    const rows = await trx
      .selectFrom('scim_resources')
      .select(['id', 'key_name', 'shown', 'active'])
      .where('source', '=', source)
      .where('kind', '=', 'User')
      .where('id', 'in', some)
      .execute();
    const groups = await groupsOfUsers(trx, source, some);
    const users = rows.map(({ id, key_name, shown, active }) => {
      const names = groups.get(id) ?? [];
      if (names.length > maxGroups) {
        throw scimError(
          'tooMany',
          `${key_name} would be in ${names.length} groups, and may be in ${maxGroups}`,
        );
      }
      const disabled = active === 0;
      return { id, name: key_name, dn: '', displayName: shown, disabled, groups: JSON.stringify(names) };
    });
    for (const { id, name } of users) {
      if (before === undefined || before.key_name === name) continue;
      const from = before.key_name;
      if (!(await owned(trx, source, [{ id, name: from }])).has(id)) continue;
      const renamed = (await renameUsers(trx, [{ from, to: name }])).get(from);
      if (renamed === undefined) throw scimError('uniqueness', `there is a user ${name}`);
      ended.push(renamed);
    }
    await mirror(trx, source, users);
    const names = [...users.map(({ name }) => name), ...(before === undefined ? [] : [before.key_name])];
    const settled = await settleUsers(context, [...new Set(names)]);
    if (own !== undefined && settled.problems.length > 0) {
      throw scimError('uniqueness', `there is a user ${users[0]?.name} who is managed here`);
    }
    ended.push(...settled.ended);
  }
  return ended;
}
