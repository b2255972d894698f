import { type Kysely, sql } from 'kysely';
import { removeUsers } from '../directory/change-users.ts';
import { groupsOf } from '../directory/read-users.ts';
import { disabledBySource } from '../directory/users.ts';
import type { NewRevocation } from '../feed/feed.ts';
import type { SecurityTables } from '../store/tables.ts';
import type { SourceUserRow } from '../store/tables-sources.ts';

export interface SettleContext {
  readonly trx: Kysely<SecurityTables>;
  /** Database time. */
  readonly nowMs: number;
}

export interface Settled {
  /** What is to be put into the feed in the same transaction: sessions that are over. */
  readonly ended: readonly NewRevocation[];
  readonly problems: readonly string[];
}

/** Rows of one insert. */
const rowsAtOnce = 5000;

/**
 * Makes the users of these names what their sources say: of several sources that have one of a name, the best. Users who
 * are managed here are left alone.
 */
export async function settleUsers(context: SettleContext, names: readonly string[]): Promise<Settled> {
  const { trx } = context;
  if (names.length === 0) return { ended: [], problems: [] };
  const current = await currentUsers(trx, names);
  const winners = await winnersOf(trx, names);
  const problems: string[] = [];
  const creates: SourceUserRow[] = [];
  const updates: Update[] = [];
  const removes: string[] = [];
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
      updates.push(...updateOf(user, winner));
    }
  }
  await update(context, updates);
  await removeUsers(trx, removes, context.nowMs);
  await create(context, creates);
  const ended = [
    ...updates.flatMap((each) => each.ends ?? []),
    ...removes.map((subject) => ({ kind: 'user', subject, reason: 'gone from its directory' }) as const),
  ];
  return { ended, problems };
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

interface Update {
  readonly winner: SourceUserRow;
  readonly disabled: number;
  readonly regrouped: boolean;
  readonly ends: NewRevocation | undefined;
}

/** None: the user is as the winner says. */
function updateOf(user: CurrentUser, winner: SourceUserRow): Update[] {
  const { name: subject } = user;
  const moved = winner.source !== user.source;
  const disabled = (user.disabled & ~disabledBySource) | (winner.disabled === 0 ? 0 : disabledBySource);
  const regrouped = winner.groups_json !== user.groups;
  const same = !moved && !regrouped && disabled === user.disabled && winner.display_name === user.displayName;
  if (same) return [];
  const ends = ((): NewRevocation | undefined => {
    if (moved) return { kind: 'user', subject, reason: `is a user of ${winner.source} now` };
    if (disabled !== 0 && user.disabled === 0)
      return { kind: 'user', subject, reason: `disabled in ${winner.source}` };
    return regrouped ? { kind: 'groups', subject, reason: 'other groups' } : undefined;
  })();
  return [{ winner, disabled, regrouped, ends }];
}

/** All of them are there, and locked. */
async function update({ trx, nowMs }: SettleContext, updates: readonly Update[]): Promise<void> {
  if (updates.length === 0) return;
  await trx
    .insertInto('users')
    .values(updates.map(({ winner, disabled }) => userRow(winner, disabled, nowMs)))
    .onDuplicateKeyUpdate({
      display_name: sql`values(display_name)`,
      disabled: sql`values(disabled)`,
      source: sql`values(source)`,
      source_entry: sql`values(source_entry)`,
      updated_ms: sql`values(updated_ms)`,
    })
    .execute();
  const regrouped = updates.filter((each) => each.regrouped).map(({ winner }) => winner);
  if (regrouped.length === 0) return;
  const names = regrouped.map(({ name }) => name);
  await trx.deleteFrom('user_groups').where('user', 'in', names).execute();
  await addGroups(trx, regrouped);
}

const userRow = (winner: SourceUserRow, disabled: number, nowMs: number) => ({
  name: winner.name,
  display_name: winner.display_name,
  password_hash: null,
  disabled,
  source: winner.source,
  source_entry: winner.entry_id,
  created_ms: nowMs,
  updated_ms: nowMs,
});

async function addGroups(trx: Kysely<SecurityTables>, winners: readonly SourceUserRow[]): Promise<void> {
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

async function create({ trx, nowMs }: SettleContext, winners: readonly SourceUserRow[]): Promise<void> {
  if (winners.length === 0) return;
  await trx
    .insertInto('users')
    .values(winners.map((each) => userRow(each, each.disabled === 0 ? 0 : disabledBySource, nowMs)))
    .execute();
  await addGroups(trx, winners);
}
