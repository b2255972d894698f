import type { Db } from '#kernel/db/db.ts';
import type { SecurityTables } from '../store/tables.ts';
import { type PublishContext, renewMetadata } from './publish.ts';
import { forgetBytes } from './uploads.ts';

/** Signs what would run out, which a timestamp does within a day, and forgets bytes without a release. Every minute or so. */
export async function tidyCatalogue(
  db: Pick<Db<SecurityTables>, 'tx' | 'read'>,
  context: PublishContext,
): Promise<void> {
  await db.read((on) => forgetBytes(on, context.nowMs));
  const newest = await db.read((on) =>
    on
      .selectFrom('catalog_metadata')
      .select(({ fn }) => fn.max('expires_ms').as('until'))
      .where('role', '=', 'timestamp')
      .executeTakeFirst(),
  );
  // Of all roles it runs out first; the others are looked at with it.
  if (newest?.until && newest.until - context.nowMs < halfTimestampMs) {
    await db.tx((trx) => renewMetadata(trx, context), { idempotent: true });
  }
}

const halfTimestampMs = 43_200_000;
