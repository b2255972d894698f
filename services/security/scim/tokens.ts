import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Kysely } from 'kysely';
import { SallyportError } from '#core/errors/error.ts';
import { encodeBase64url } from '#core/ids/base64url.ts';
import type { Db } from '#kernel/db/db.ts';
import { settingsFromText } from '../sources/settings.ts';
import { noSource } from '../sources/source-store.ts';
import type { SecurityTables } from '../store/tables.ts';
import type { ScimTables, ScimTokenRow } from '../store/tables-scim.ts';

/** Milliseconds between two notes of a token's use. */
const noteEveryMs = 60_000;
const maxTokens = 20;

const digest = (secret: string): Buffer => createHash('sha256').update(secret).digest();

export interface NewToken {
  readonly row: ScimTokenRow;
  /** `scim_<id>_<secret>`: told once, kept nowhere. */
  readonly token: string;
}

export function newToken(
  init: Pick<ScimTokenRow, 'source' | 'label' | 'created_by' | 'created_ms' | 'expires_ms'>,
): NewToken {
  const id = randomBytes(8).toString('hex');
  const secret = encodeBase64url(randomBytes(32));
  return { row: { ...init, id, hash: digest(secret), used_ms: null }, token: `scim_${id}_${secret}` };
}

/** May be done twice. @throws NOT_FOUND, SOURCE_INVALID */
export async function keepToken(trx: Kysely<SecurityTables>, row: ScimTokenRow): Promise<void> {
  const source = await trx
    .selectFrom('sources')
    .select('settings')
    .where('name', '=', row.source)
    .forUpdate()
    .executeTakeFirst();
  if (source === undefined) throw noSource(row.source);
  if (!settingsFromText(source.settings).scim) {
    throw new SallyportError('SOURCE_INVALID', {
      message: `${row.source} is read, and nobody pushes to it`,
      hint: '`sallyport sources add NAME --scim` makes a source that users are pushed to',
    });
  }
  const rows = await listTokens(trx, row.source);
  if (rows.some(({ id }) => id === row.id)) return;
  if (rows.length >= maxTokens) {
    throw new SallyportError('SOURCE_INVALID', {
      message: `the source ${row.source} has ${maxTokens} tokens already`,
      hint: 'revoke one: `sallyport scim-tokens list`',
    });
  }
  await trx.insertInto('scim_tokens').values(row).execute();
}

export const listTokens = (db: Kysely<ScimTables>, source: string): Promise<ScimTokenRow[]> =>
  db
    .selectFrom('scim_tokens')
    .selectAll()
    .$if(source !== '', (q) => q.where('source', '=', source))
    .orderBy('source')
    .orderBy('created_ms')
    .orderBy('id')
    .execute();

/** May be done twice. */
export async function revokeToken(trx: Kysely<ScimTables>, id: string): Promise<void> {
  await trx.deleteFrom('scim_tokens').where('id', '=', id).execute();
}

/** Who a request comes from. */
export interface Client {
  readonly source: string;
  readonly tokenId: string;
}

/**
 * Looked up at the primary for each request: a token that was revoked is gone at once.
 * @throws TOKEN_INVALID, whatever it is that is wrong with it
 */
export async function clientOf(
  db: Db<SecurityTables>,
  token: string,
  nowMs: number,
  options: { readonly signal: AbortSignal; readonly deadlineMs: number },
): Promise<Client> {
  const invalid = (): SallyportError =>
    new SallyportError('TOKEN_INVALID', { hint: 'make another one: `sallyport scim-tokens create`' });
  const [, id, secret] = /^scim_([0-9a-f]{16})_([\w-]{43})$/.exec(token) ?? [];
  if (id === undefined || secret === undefined) throw invalid();
  const row = await db.read(
    (on) => on.selectFrom('scim_tokens').selectAll().where('id', '=', id).executeTakeFirst(),
    options,
  );
  if (row === undefined || !timingSafeEqual(digest(secret), row.hash)) throw invalid();
  if (row.expires_ms !== null && row.expires_ms <= nowMs) throw invalid();
  if ((row.used_ms ?? 0) < nowMs - noteEveryMs) {
    await db.tx(
      (trx) => trx.updateTable('scim_tokens').set({ used_ms: nowMs }).where('id', '=', id).execute(),
      { idempotent: true, ...options },
    );
  }
  return { source: row.source, tokenId: id };
}
