import { type Kysely, sql } from 'kysely';
import { databaseNow } from '#kernel/db/database-now.ts';
import type { Db } from '#kernel/db/db.ts';
import type { SecurityTables } from '../store/tables.ts';
import type { MemberState } from './member.ts';

/** What a process is given when it starts. */
export interface Joined {
  readonly era: number;
  /** Never given twice within an era. */
  readonly incarnation: number;
}

/** Where the members are registered. */
export interface MembershipStore {
  /** Registers this process under its pod's name, in place of any earlier one. */
  join(pod: string): Promise<Joined>;
  /** Says that it is alive; false when the name belongs to another process meanwhile. */
  heartbeat(pod: string, incarnation: number, state: MemberState, feedPosition: number): Promise<boolean>;
}

export function mysqlMembershipStore(db: Pick<Db<SecurityTables>, 'tx'>): MembershipStore {
  return {
    // Taken twice because a commit was ambiguous, the first number is simply never used.
    join: (pod) => db.tx((trx) => join(trx, pod), { idempotent: true, deadlineMs: 60_000 }),
    heartbeat: (pod, incarnation, state, feedPosition) =>
      db.tx(
        async (trx) => {
          const done = await trx
            .updateTable('members')
            .set({ heartbeat_ms: databaseNow, state, feed_position: feedPosition })
            .where('pod', '=', pod)
            .where('incarnation', '=', incarnation)
            .executeTakeFirst();
          // Matched, not changed: two heartbeats in one millisecond are no harm.
          if (done.numUpdatedRows > 0n) return true;
          const row = await trx
            .selectFrom('members')
            .select('incarnation')
            .where('pod', '=', pod)
            .executeTakeFirst();
          return row?.incarnation === incarnation;
        },
        { idempotent: true, deadlineMs: 5000, urgent: true },
      ),
  };
}

async function join(trx: Kysely<SecurityTables>, pod: string): Promise<Joined> {
  const { era } = await trx
    .selectFrom('era')
    .select('era')
    .where('id', '=', 1)
    .forShare()
    .executeTakeFirstOrThrow();
  const { insertId } = await trx
    .insertInto('incarnations')
    .values({ pod, era, started_ms: databaseNow })
    .executeTakeFirstOrThrow();
  const incarnation = Number(insertId);
  await sql`insert into members (pod, incarnation, heartbeat_ms, state, feed_position)
    values (${pod}, ${incarnation}, ${databaseNow}, 'starting', 0) as new
    on duplicate key update incarnation = new.incarnation, heartbeat_ms = new.heartbeat_ms,
      state = new.state, feed_position = new.feed_position`.execute(trx);
  return { era, incarnation };
}
