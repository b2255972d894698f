import { type Kysely, sql } from 'kysely';
import { removeUsers, setGroups } from '../directory/change-users.ts';
import { groupsOf } from '../directory/read-users.ts';
import { disabledBySource } from '../directory/users.ts';
import type { Feed } from '../feed/feed.ts';
import type { SecurityTables } from '../store/tables.ts';
import type { SourceUserRow } from '../store/tables-sources.ts';

export interface SettleContext {
  readonly trx: Kysely<SecurityTables>;
  readonly feed: Pick<Feed, 'append'>;
  /** Database time. */
  readonly nowMs: number;
}

export interface Settled {
  /** Of the last entry of the feed; 0: no sessions have ended. */
  readonly position: number;
  readonly problems: readonly string[];
}

/** Rows of one insert. */
const rowsAtOnce = 5000;

/**
 * Makes the users of these names what their sources say: of several sources that have one of a name, the best. Sessions
 * that something is taken away from end in the same transaction. Users who are managed here are left alone.
 */
export async function settleUsers(context: SettleContext, names: readonly string[]): Promise<Settled> {
  const { trx } = context;
  if (names.length === 0) return { position: 0, problems: [] };
  const current = await currentUsers(trx, names);
  const winners = await winnersOf(trx, names);
  const problems: string[] = [];
  const creates: SourceUserRow[] = [];
  const removes: string[] = [];
  let position = 0;
  for (const name of names) {
    const user = current.get(name);
    const winner = winners.get(name);
    if (user?.source === null) {
      if (winner !== undefined) problems.push(`${winner.dn}: there is a user ${name} who is managed here`);
    } else if (user === undefined) {
      if (winner !== undefined) creates.push(winner);
    } else if (winner === undefined) {
      removes.push(name);
    } else if (winner.source === user.source && winner.entry_id !== user.source_entry) {
      // Somebody else, who was given the name: nothing of the one before may be left.
      removes.push(name);
      creates.push(winner);
    } else {
      position = (await update(context, user, winner)) || position;
    }
  }
  await removeUsers(trx, removes, context.nowMs);
  for (const subject of removes) {
    const entry = { kind: 'user', subject, reason: 'gone from its directory' } as const;
    position = await context.feed.append(entry, trx);
  }
  await create(context, creates);
  return { position, problems };
}

interface CurrentUser {
  readonly name: string;
  readonly displayName: string;
  readonly disabled: number;
  readonly source: string | null;
  readonly source_entry: string | null;
  readonly groups: string;
}

async function currentUsers(
  trx: Kysely<SecurityTables>,
  names: readonly string[],
): Promise<Map<string, CurrentUser>> {
  const rows = await trx
    .selectFrom('users')
    .select(['name', 'display_name', 'disabled', 'source', 'source_entry'])
    .where('name', 'in', names)
    .forUpdate()
    .execute();
  const groups = await groupsOf(
    trx,
    rows.map(({ name }) => name),
  );
  return new Map(
    rows.map(({ display_name: displayName, ...row }) => [
      row.name,
      { ...row, displayName, groups: JSON.stringify([...(groups.get(row.name) ?? [])].sort()) },
    ]),
  );
}

async function winnersOf(
  trx: Kysely<SecurityTables>,
  names: readonly string[],
): Promise<Map<string, SourceUserRow>> {
  const rows = await trx
    .selectFrom('source_users')
    .innerJoin('sources', 'sources.name', 'source_users.source')
    .selectAll('source_users')
    .where('source_users.name', 'in', names)
    .orderBy('sources.precedence')
    .orderBy('source_users.source')
    .orderBy('source_users.entry_id')
    .execute();
  const winners = new Map<string, SourceUserRow>();
  for (const row of rows) if (!winners.has(row.name)) winners.set(row.name, row);
  return winners;
}

/** Position in the feed; 0: nothing was taken away. */
async function update(
  { trx, feed, nowMs }: SettleContext,
  user: CurrentUser,
  winner: SourceUserRow,
): Promise<number> {
  const { name } = user;
  const moved = winner.source !== user.source;
  const disabled = (user.disabled & ~disabledBySource) | (winner.disabled === 0 ? 0 : disabledBySource);
  const regrouped = winner.groups_json !== user.groups;
  const same = !moved && !regrouped && disabled === user.disabled && winner.display_name === user.displayName;
  if (same) return 0;
  await trx
    .updateTable('users')
    .set({
      display_name: winner.display_name,
      disabled,
      source: winner.source,
      source_entry: winner.entry_id,
      updated_ms: nowMs,
    })
    .where('name', '=', name)
    .execute();
  if (regrouped) await setGroups(trx, name, JSON.parse(winner.groups_json) as string[]);
  if (moved || (disabled !== 0 && user.disabled === 0)) {
    const reason = moved ? `is a user of ${winner.source} now` : `disabled in ${winner.source}`;
    return feed.append({ kind: 'user', subject: name, reason }, trx);
  }
  if (!regrouped) return 0;
  return feed.append({ kind: 'groups', subject: name, reason: 'other groups' }, trx);
}

async function create({ trx, nowMs }: SettleContext, winners: readonly SourceUserRow[]): Promise<void> {
  if (winners.length === 0) return;
  await trx
    .insertInto('users')
    .values(
      winners.map((each) => ({
        name: each.name,
        display_name: each.display_name,
        password_hash: null,
        disabled: each.disabled === 0 ? 0 : disabledBySource,
        source: each.source,
        source_entry: each.entry_id,
        created_ms: nowMs,
        updated_ms: nowMs,
      })),
    )
    .execute();
  const rows = winners.flatMap(({ name, groups_json }) =>
    (JSON.parse(groups_json) as string[]).map((group_name) => ({ user: name, group_name })),
  );
  for (let at = 0; at < rows.length; at += rowsAtOnce) {
    await trx
      .insertInto('user_groups')
      .values(rows.slice(at, at + rowsAtOnce))
      .execute();
  }
}

/**
 * Gives a user of a source another name. Devices, roles and activations stay his; sessions end, for they have the old
 * name. Returns the position in the feed; 0: the name is another user's, and nothing was changed.
 */
export async function renameUser({ trx, feed }: SettleContext, from: string, to: string): Promise<number> {
  const taken = await trx.selectFrom('users').select('name').where('name', '=', to).executeTakeFirst();
  if (taken !== undefined) return 0;
  await trx.updateTable('users').set({ name: to }).where('name', '=', from).execute();
  for (const table of ['user_groups', 'user_roles', 'activations', 'shared_keys'] as const) {
    await sql`update ${sql.table(table)} set user = ${to} where user = ${from}`.execute(trx);
  }
  return feed.append({ kind: 'user', subject: from, reason: `is ${to} now`.slice(0, 256) }, trx);
}
