import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Kysely } from 'kysely';
import { SallyportError } from '#core/errors/error.ts';
import { findUser } from '../directory/users.ts';
import type { KeyTables } from '../store/tables-keys.ts';

/** Bytes of an activation code. */
export const codeBytes = 16;

/** What an activation code was made for. */
export interface Activation {
  readonly user: string;
  readonly appId: string;
  /** Route key of the enrolment that ends with the new one. */
  readonly replaces?: string | undefined;
}

/** Only this is stored: whoever reads the table learns no code. */
const hashOf = (code: Uint8Array): Buffer =>
  createHash('sha256').update('sallyport activation code v1\0').update(code).digest();

/**
 * Makes a one-time code for a user and an app.
 * @throws NOT_FOUND (no such user)
 */
export async function createActivation(
  trx: Kysely<KeyTables>,
  activation: Activation,
  nowMs: number,
  expiresMs: number,
): Promise<{ code: Uint8Array; user: string }> {
  const user = await findUser(trx, activation.user);
  if (user === undefined) {
    throw new SallyportError('NOT_FOUND', { message: `there is no user "${activation.user}"` });
  }
  const code = randomBytes(codeBytes);
  await trx
    .insertInto('activations')
    .values({
      code_hash: hashOf(code),
      user: user.name,
      app_id: activation.appId,
      created_ms: nowMs,
      expires_ms: expiresMs,
      consumed_by: null,
      reply: null,
      replaces: activation.replaces ?? null,
    })
    .execute();
  return { code, user: user.name };
}

/** Rows that nothing can ask for any more go; at most 1,000 at a time. */
export async function sweepActivations(trx: Kysely<KeyTables>, nowMs: number): Promise<void> {
  await trx.deleteFrom('activations').where('expires_ms', '<', nowMs).limit(1000).execute();
}

/**
 * Uses a code up in the caller's transaction. The same request (by its digest) gets the answer that the
 * first one got; another one is refused.
 * @param consume enrols the device and returns the answer, which is stored with the code
 * @throws ACTIVATION_INVALID, the same for unknown, used and expired codes
 */
export async function consumeActivation(
  trx: Kysely<KeyTables>,
  use: { code: Uint8Array; appId: string; requestDigest: Uint8Array; nowMs: number },
  consume: (activation: Activation) => Promise<Uint8Array>,
): Promise<Uint8Array> {
  const code_hash = hashOf(use.code);
  const row = await trx
    .selectFrom('activations')
    .selectAll()
    .where('code_hash', '=', code_hash)
    .forUpdate()
    .executeTakeFirst();
  if (row === undefined || row.expires_ms <= use.nowMs) throw new SallyportError('ACTIVATION_INVALID');
  if (row.consumed_by !== null) {
    if (row.reply === null || !timingSafeEqual(row.consumed_by, use.requestDigest)) {
      throw new SallyportError('ACTIVATION_INVALID');
    }
    return row.reply;
  }
  if (row.app_id !== use.appId) throw new SallyportError('ACTIVATION_INVALID');
  const reply = await consume({ user: row.user, appId: row.app_id, replaces: row.replaces ?? undefined });
  await trx
    .updateTable('activations')
    .set({ consumed_by: Buffer.from(use.requestDigest), reply: Buffer.from(reply) })
    .where('code_hash', '=', code_hash)
    .execute();
  return reply;
}
