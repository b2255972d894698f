import { type Kysely, sql } from 'kysely';
import { isDuplicate } from './failures.ts';

/** The kernel's own table (migrations.ts). `result` is null until the transaction that owns the row ends. */
export interface IdempotencyTable {
  key: string;
  result: string | null;
}

/** Longest idempotency key, in bytes. */
export const maxKeyBytes = 160;

/** What an earlier transaction with the same key returned. */
export interface Settled {
  readonly result: unknown;
}

/**
 * Claims `key` as the first act of a transaction: whoever else holds it uncommitted is waited for.
 * Returns what the earlier transaction returned if there was one; then nothing must be done again.
 */
export async function claimKey<S>(trx: Kysely<S>, key: string): Promise<Settled | undefined> {
  try {
    await sql`insert into idempotency (\`key\`, at) values (${Buffer.from(key)}, utc_timestamp(3))`.execute(
      trx,
    );
    return undefined;
  } catch (error) {
    if (!isDuplicate(error)) throw error;
  }
  const found = await sql<{ result: string | null }>`
    select result from idempotency where \`key\` = ${Buffer.from(key)}`.execute(trx);
  const text = found.rows[0]?.result;
  return { result: text == null ? undefined : JSON.parse(text) };
}

/** Stores what the transaction is about to return, so that its repetition returns the same. */
export async function storeResult<S>(trx: Kysely<S>, key: string, result: unknown): Promise<void> {
  const text = result === undefined ? null : JSON.stringify(result);
  if (text === null) return;
  await sql`update idempotency set result = ${text} where \`key\` = ${Buffer.from(key)}`.execute(trx);
}

/**
 * Deletes at most `limit` rows older than `olderThanMs` (by the database's clock); returns how many went.
 * A key protects for as long as its row lives: keep them longer than anybody repeats.
 */
export async function purgeKeys<S>(db: Kysely<S>, olderThanMs: number, limit: number): Promise<number> {
  const done = await sql`
    delete from idempotency
    where at < utc_timestamp(3) - interval ${olderThanMs * 1000} microsecond
    limit ${limit}`.execute(db);
  return Number(done.numAffectedRows ?? 0n);
}
