import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { SallyportError } from '#core/errors/error.ts';
import type { Db } from '#kernel/db/db.ts';
import type { Logger } from '#kernel/log/logger.ts';
import type { Clock } from '#kernel/time/clock.ts';
import { lockRow } from '../store/locks.ts';
import type { SecurityTables } from '../store/tables.ts';
import { canonicalUser, insertUser } from './users.ts';

/** PHC string of Argon2id, as kernel/crypto/password.ts writes and reads it. */
const passwordHash = /^\$argon2id\$v=19\$m=\d+,t=\d+,p=\d+\$[A-Za-z0-9+/]+\$[A-Za-z0-9+/]+$/;

/** What a new, empty database begins with. Hashes, never passwords. */
export const seedSchema = z.strictObject({
  users: z
    .array(
      z.strictObject({
        name: z
          .string()
          .max(128)
          .refine((name) => canonicalUser(name) !== '', 'a name has letters'),
        displayName: z.string().max(256).optional(),
        passwordHash: z.string().regex(passwordHash, 'no Argon2id hash in PHC form').max(255),
        groups: z.array(z.string().min(1).max(128)).max(100),
      }),
    )
    .max(1000)
    .refine((users) => new Set(users.map((user) => canonicalUser(user.name))).size === users.length, {
      error: 'two users have the same name, but for case or width',
    }),
  /** A policy document, as in docs/CONFIG.md. */
  policy: z.unknown().optional(),
});

/**
 * Fills an empty database; leaves users alone where there are any, and the policy likewise. Several pods may try at once.
 * @throws CONFIG_INVALID (the file)
 */
export async function seed(
  deps: { db: Db<SecurityTables>; clock: Clock; log: Logger },
  file: string,
): Promise<void> {
  const parsed = seedSchema.safeParse(await readJson(file));
  if (!parsed.success) {
    throw new SallyportError('CONFIG_INVALID', { message: `${file}: ${z.prettifyError(parsed.error)}` });
  }
  const { users, policy } = parsed.data;
  const seeded = await deps.db.tx(
    async (trx) => {
      await lockRow(trx, 'seed');
      const nowMs = deps.clock.now();
      const anyUser = await trx.selectFrom('users').select('name').limit(1).executeTakeFirst();
      const anyPolicy = await trx.selectFrom('policies').select('version').limit(1).executeTakeFirst();
      const newUsers = anyUser === undefined ? users : [];
      for (const user of newUsers) await insertUser(trx, user, nowMs);
      const newPolicy = anyPolicy === undefined && policy !== undefined;
      if (newPolicy) {
        await trx
          .insertInto('policies')
          .values({ version: 1, document: JSON.stringify(policy), created_ms: nowMs, author: 'seed' })
          .execute();
      }
      return { users: newUsers.length, policy: newPolicy };
    },
    { idempotent: true },
  );
  if (seeded.users > 0 || seeded.policy) deps.log.info({ file, ...seeded }, 'the empty database was seeded');
}

async function readJson(file: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(file, 'utf8'));
  } catch (cause) {
    throw new SallyportError('CONFIG_INVALID', { message: `the seed file ${file} cannot be read`, cause });
  }
}
