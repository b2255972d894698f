import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { SallyportError } from '#core/errors/error.ts';
import type { Db } from '#kernel/db/db.ts';
import type { Logger } from '#kernel/log/logger.ts';
import type { Clock } from '#kernel/time/clock.ts';
import { lockRow } from '../store/locks.ts';
import type { SecurityTables } from '../store/tables.ts';
import { insertUser } from './users.ts';

/** What a new, empty database begins with. Hashes, never passwords. */
const seedSchema = z.strictObject({
  users: z
    .array(
      z.strictObject({
        name: z.string().min(1).max(128),
        displayName: z.string().max(256).optional(),
        passwordHash: z.string().startsWith('$argon2id$').max(255),
        groups: z.array(z.string().min(1).max(128)).max(100),
      }),
    )
    .max(1000),
  /** A policy document, as in docs/CONFIG.md. */
  policy: z.unknown().optional(),
});

/**
 * Fills an empty database; does nothing in one that has users or a policy. Several pods may try at once.
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
      if (anyUser === undefined) for (const user of users) await insertUser(trx, user, nowMs);
      if (anyPolicy === undefined && policy !== undefined) {
        await trx
          .insertInto('policies')
          .values({ version: 1, document: JSON.stringify(policy), created_ms: nowMs, author: 'seed' })
          .execute();
      }
      return anyUser === undefined || anyPolicy === undefined;
    },
    { idempotent: true },
  );
  if (seeded) deps.log.info({ file, users: users.length }, 'the empty database was seeded');
}

async function readJson(file: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(file, 'utf8'));
  } catch (cause) {
    throw new SallyportError('CONFIG_INVALID', { message: `the seed file ${file} cannot be read`, cause });
  }
}
