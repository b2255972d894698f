import { type Kysely, sql } from 'kysely';
import { SallyportError } from '#core/errors/error.ts';
import type { Db } from '#kernel/db/db.ts';
import type { Clock } from '#kernel/time/clock.ts';
import type { Feed, NewRevocation } from '../feed/feed.ts';
import type { SecurityTables } from '../store/tables.ts';
import type { changedGroups } from './membership.ts';
import type { PlannedChange } from './plan.ts';
import { renameUsers } from './rename-users.ts';
import { type SettleContext, settleUsers } from './settle-users.ts';

/** The right to change what comes from a source: it is over as soon as another pod has taken a later one. */
export interface SourceLease {
  readonly source: string;
  readonly fence: number;
}

export interface ApplyDeps {
  readonly db: Db<SecurityTables>;
  readonly feed: Pick<Feed, 'appendAll' | 'announce'>;
  /** Database time. */
  readonly clock: Clock;
}

export interface Applied {
  readonly problems: readonly string[];
}

/** Users of one transaction: others wait for their rows. */
const batchUsers = 250;
const batchGroups = 100;

/** Runs `fn` in a transaction in which the lease is good. @throws CANCELLED when it is over */
export function underLease<T>(
  { db }: Pick<ApplyDeps, 'db'>,
  { source, fence }: SourceLease,
  fn: (trx: Kysely<SecurityTables>) => Promise<T>,
): Promise<T> {
  return db.tx(
    async (trx) => {
      const row = await trx
        .selectFrom('sources')
        .select('fence')
        .where('name', '=', source)
        .forUpdate()
        .executeTakeFirst();
      if (row === undefined || Number(row.fence) !== fence) {
        throw new SallyportError('CANCELLED', { message: `another pod synchronises ${source} now` });
      }
      return fn(trx);
    },
    { idempotent: true, deadlineMs: 60_000 },
  );
}

/**
 * Makes the changes, batch by batch: whoever goes on after a crash finds those made, and makes the rest.
 * @param onBatch told how many are made
 */
export async function applyChanges(
  deps: ApplyDeps,
  lease: SourceLease,
  changes: readonly PlannedChange[],
  onBatch: (made: number, problems: readonly string[]) => void,
  signal: AbortSignal,
): Promise<void> {
  for (let at = 0; at < changes.length; at += batchUsers) {
    signal.throwIfAborted();
    const batch = changes.slice(at, at + batchUsers);
    const { position, problems } = await underLease(deps, lease, (trx) =>
      applyBatch(deps.feed, { trx, nowMs: deps.clock.now() }, lease.source, batch),
    );
    if (position > 0) await deps.feed.announce(position, 'COMMITTED');
    onBatch(Math.min(changes.length, at + batchUsers), problems);
  }
}

async function applyBatch(
  feed: Pick<Feed, 'appendAll'>,
  context: SettleContext,
  source: string,
  batch: readonly PlannedChange[],
): Promise<{ position: number; problems: readonly string[] }> {
  const { trx } = context;
  // Until it is finished, so that nobody takes what an earlier one has left (left.ts) for what is there.
  await trx.updateTable('sources').set({ listed_ms: null }).where('name', '=', source).execute();
  const gone = batch.flatMap(({ known, wanted }) => (wanted === undefined && known ? [known.id] : []));
  if (gone.length > 0) {
    await trx.deleteFrom('source_users').where('source', '=', source).where('entry_id', 'in', gone).execute();
  }
  const problems: string[] = [];
  const ended: NewRevocation[] = [];
  const there: NonNullable<PlannedChange['wanted']>[] = [];
  const named = batch.flatMap(({ known, wanted }) =>
    known !== undefined && wanted !== undefined && known.name !== wanted.name ? [{ known, wanted }] : [],
  );
  const own = await owned(
    trx,
    source,
    named.map(({ known }) => known),
  );
  const renamings = named.filter(({ known }) => own.has(known.id));
  const renamed = await renameUsers(
    trx,
    renamings.map(({ known, wanted }) => ({ from: known.name, to: wanted.name })),
  );
  for (const { known, wanted } of batch) {
    if (wanted === undefined) continue;
    const end = known && own.has(known.id) ? renamed.get(known.name) : undefined;
    if (end !== undefined) ended.push(end);
    if (known === undefined || !own.has(known.id) || end !== undefined) there.push(wanted);
    else {
      // Under its old name until the other is free and everything is read again.
      problems.push(`${known.name} is to be ${wanted.name}, which another user is`);
      there.push({ ...wanted, name: known.name });
    }
  }
  await mirror(trx, source, there);
  const names = new Set(
    batch.flatMap(({ known, wanted }) => [known?.name, wanted?.name].filter((each) => each !== undefined)),
  );
  const settled = await settleUsers(context, [...names]);
  ended.push(...settled.ended);
  // One look at the counter for all: whoever else ends a session waits for its row.
  const position = ended.length === 0 ? 0 : await feed.appendAll(ended, trx);
  return { position, problems: [...problems, ...settled.problems] };
}

/** Ids of those entries that are the users of their names. */
export async function owned(
  trx: Kysely<SecurityTables>,
  source: string,
  entries: readonly { readonly name: string; readonly id: string }[],
): Promise<ReadonlySet<string>> {
  if (entries.length === 0) return new Set();
  const users = await trx
    .selectFrom('users')
    .select(['name', 'source_entry'])
    .where(
      'name',
      'in',
      entries.map(({ name }) => name),
    )
    .where('source', '=', source)
    .execute();
  const entryOf = new Map(users.map((user) => [user.name, user.source_entry]));
  return new Set(entries.filter(({ name, id }) => entryOf.get(name) === id).map(({ id }) => id));
}

export async function mirror(
  trx: Kysely<SecurityTables>,
  source: string,
  users: readonly NonNullable<PlannedChange['wanted']>[],
): Promise<void> {
  if (users.length === 0) return;
  await trx
    .insertInto('source_users')
    .columns(['source', 'entry_id', 'name', 'dn', 'display_name', 'disabled', 'groups_json'])
    .values(
      users.map((user) => ({
        source,
        entry_id: user.id,
        name: user.name,
        dn: user.dn,
        display_name: user.displayName,
        disabled: user.disabled ? 1 : 0,
        groups_json: user.groups,
      })),
    )
    .onDuplicateKeyUpdate({
      name: sql`values(name)`,
      dn: sql`values(dn)`,
      display_name: sql`values(display_name)`,
      disabled: sql`values(disabled)`,
      groups_json: sql`values(groups_json)`,
    })
    .execute();
}

/** Keeps the groups as they are now, for the next comparison. */
export async function keepGroups(
  deps: ApplyDeps,
  lease: SourceLease,
  { gone, changed }: ReturnType<typeof changedGroups>,
): Promise<void> {
  for (let at = 0; at < gone.length; at += batchGroups) {
    await underLease(deps, lease, (trx) =>
      trx
        .deleteFrom('source_groups')
        .where('source', '=', lease.source)
        .where('entry_id', 'in', gone.slice(at, at + batchGroups))
        .execute(),
    );
  }
  for (let at = 0; at < changed.length; at += batchGroups) {
    const rows = changed.slice(at, at + batchGroups).map(({ id, name, dn, members }) => ({
      source: lease.source,
      entry_id: id,
      name,
      dn,
      members,
    }));
    await underLease(deps, lease, (trx) => trx.replaceInto('source_groups').values(rows).execute());
  }
}
