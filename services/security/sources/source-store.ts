import { randomUUID } from 'node:crypto';
import { type Kysely, sql } from 'kysely';
import { SallyportError } from '#core/errors/error.ts';
import { databaseNow } from '#kernel/db/database-now.ts';
import type { Db } from '#kernel/db/db.ts';
import type { Account } from '#kernel/ldap/hosts.ts';
import type { DataKeys } from '../keystore/data-keys.ts';
import { takingsMs } from '../scim/takings.ts';
import type { SecurityTables } from '../store/tables.ts';
import type { SourceRow } from '../store/tables-sources.ts';
import { checkSettings, type Settings, settingsFromText, settingsToText } from './settings.ts';

/** A source, ready to be talked to. */
export interface SourceAccess {
  readonly name: string;
  readonly settings: Settings;
  readonly account: Account;
}

const place = (name: string) => ({ table: 'sources', row: name, column: 'sealed_password' });

/** Opens the password of a source's account. @throws NOT_FOUND, SEALED_ROW_DAMAGED */
export async function accessTo(
  { db, dataKeys }: { readonly db: Pick<Db<SecurityTables>, 'read'>; readonly dataKeys: DataKeys },
  name: string,
  options: { readonly signal?: AbortSignal; readonly deadlineMs?: number } = {},
): Promise<SourceAccess> {
  const row = await db.read(
    (on) =>
      on
        .selectFrom('sources')
        .select(['settings', 'sealed_password'])
        .where('name', '=', name)
        .executeTakeFirst(),
    options,
  );
  if (row === undefined) throw noSource(name);
  const settings = settingsFromText(row.settings);
  const password =
    row.sealed_password === null
      ? ''
      : Buffer.from(await dataKeys.open(place(name), row.sealed_password)).toString();
  return { name, settings, account: { dn: settings.bindDn, password } };
}

export const noSource = (name: string): SallyportError =>
  new SallyportError('NOT_FOUND', { message: `there is no source "${name}"` });

export interface SourcePut {
  readonly name: string;
  readonly settings: Settings;
  /** Undefined: as it is. */
  readonly password: string | undefined;
  /** Of what is changed; 0: a new one. */
  readonly revision: number;
}

/** @throws ALREADY_EXISTS, NOT_FOUND, CONFLICT, SOURCE_INVALID */
export async function putSource(
  trx: Kysely<SecurityTables>,
  dataKeys: DataKeys,
  { name, settings, password, revision }: SourcePut,
): Promise<void> {
  checkSettings(settings);
  const before = await trx
    .selectFrom('sources')
    .select(['revision', 'settings'])
    .where('name', '=', name)
    .forUpdate()
    .executeTakeFirst();
  const values = {
    settings: settingsToText(settings),
    precedence: settings.precedence,
    // At once, and all of it: another filter is another set of users.
    next_ms: 0,
    stamp: null,
    ...(password !== undefined && {
      sealed_password:
        password === '' ? null : Buffer.from(dataKeys.seal(place(name), Buffer.from(password))),
    }),
  };
  if (revision === 0) {
    if (before !== undefined) {
      throw new SallyportError('ALREADY_EXISTS', { message: `there is a source "${name}"` });
    }
    await trx
      .insertInto('sources')
      .values({ name, revision: 1, lease_until_ms: 0, fence: 0, ...values })
      .execute();
    return;
  }
  if (before === undefined) throw noSource(name);
  if (before.revision !== revision) {
    throw new SallyportError('SOURCE_INVALID', {
      message: `the source ${name} was changed meanwhile: it is at revision ${before.revision}`,
      hint: 'look at it again, then repeat',
    });
  }
  if (settingsFromText(before.settings).scim !== settings.scim) {
    throw new SallyportError('SOURCE_INVALID', {
      message: `${name} stays what it was made as`,
      hint: 'make another source, and remove this one',
    });
  }
  await trx
    .updateTable('sources')
    .set({ ...values, revision: revision + 1 })
    .where('name', '=', name)
    .execute();
}

/** By precedence. */
export function listSources(db: Kysely<SecurityTables>, name?: string): Promise<ListedSource[]> {
  return db
    .selectFrom('sources')
    .selectAll()
    .select(({ selectFrom, fn }) => [
      selectFrom('source_users')
        .select(fn.countAll<number>().as('n'))
        .whereRef('source_users.source', '=', 'sources.name')
        .as('users'),
      selectFrom('source_groups')
        .select(fn.countAll<number>().as('n'))
        .whereRef('source_groups.source', '=', 'sources.name')
        .as('groups'),
      selectFrom('scim_resources')
        .select(fn.countAll<number>().as('n'))
        .whereRef('scim_resources.source', '=', 'sources.name')
        .where('scim_resources.kind', '=', 'Group')
        .as('pushed_groups'),
      selectFrom('scim_takings')
        .select(fn.countAll<number>().as('n'))
        .whereRef('scim_takings.source', '=', 'sources.name')
        .where('at_ms', '>', sql<number>`${databaseNow} - ${takingsMs}`)
        .as('taken_lately'),
    ])
    .$if(name !== undefined, (q) => q.where('name', '=', name ?? ''))
    .orderBy('precedence')
    .orderBy('name')
    .execute();
}

export type ListedSource = SourceRow & {
  users: number | null;
  groups: number | null;
  pushed_groups: number | null;
  taken_lately: number | null;
};

export const newRunId = (): string => randomUUID();
