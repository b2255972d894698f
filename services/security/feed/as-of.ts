import type { Kysely } from 'kysely';
import type { CallOptions } from '#kernel/db/db.ts';
import type { SoonReads } from '#kernel/db/read-soon.ts';
import type { SecurityTables } from '../store/tables.ts';

/**
 * The feed position as of which the credentials of a session were read: whatever is revoked after it ends the session
 * too. Begun with what this pod has read of the feed; a member of the database that is behind may know less.
 */
export class AsOf {
  #position: number;

  constructor(position: number) {
    this.#position = position;
  }

  get position(): number {
    return this.#position;
  }

  /** Something was read where the feed ended at `position`. */
  readAt(position: number): void {
    this.#position = Math.min(this.#position, position);
  }
}

/** What of the database reads credentials: {@link SoonReads} of its members. */
export type CredentialReads = SoonReads<SecurityTables>;

/**
 * Reads something that a session is opened by. While the group finds out who has died that may be from a member which
 * is behind: then only what is there counts, and `asOf` tells how far it was.
 */
export async function readAsOf<T>(
  replica: CredentialReads,
  asOf: AsOf,
  find: (db: Kysely<SecurityTables>) => Promise<T | undefined>,
  options: CallOptions,
): Promise<T | undefined> {
  const { found, position } = await replica.readSoon(
    async (db, behind) => {
      // The position first: an entry between the two ends the session once too often, and not once too rarely.
      const position = behind ? await lastPosition(db) : undefined;
      return { found: await find(db), position };
    },
    { ...options, good: ({ found }) => found !== undefined },
  );
  if (position !== undefined) asOf.readAt(position);
  return found;
}

async function lastPosition(db: Kysely<SecurityTables>): Promise<number> {
  const row = await db
    .selectFrom('revocations')
    .select(({ fn }) => fn.max('position').as('position'))
    .executeTakeFirst();
  return Number(row?.position ?? 0);
}
