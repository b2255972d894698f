import { sql } from 'kysely';
import type { Clock } from '#kernel/time/clock.ts';
import { type LocalAccount, openLocal } from '../local-sql.ts';

/**
 * Holds a node's data still, so that a snapshot of its disk needs no recovery: nothing is committed on it until `ms`
 * have passed or `signal` is aborted. A secondary falls behind meanwhile and catches up; a primary's writers wait.
 * @param onFrozen called once nothing changes any more
 * @throws what MySQL says, when a long statement does not let it within 5 s
 */
export async function freezeNode(
  account: LocalAccount,
  o: {
    readonly ms: number;
    readonly clock: Clock;
    readonly signal: AbortSignal;
    readonly onFrozen: () => void;
  },
): Promise<void> {
  const connection = await openLocal(account);
  try {
    await sql`set session lock_wait_timeout = 5`.execute(connection.kysely);
    await sql`flush tables with read lock`.execute(connection.kysely);
    // What is committed is in InnoDB's log; this brings it to the disk at any durability.
    await sql`flush engine logs`.execute(connection.kysely);
    o.onFrozen();
    try {
      await o.clock.sleep(o.ms, o.signal);
    } catch (error) {
      // That it is told to end is how it ends.
      if (!o.signal.aborted) throw error;
    }
    await sql`unlock tables`.execute(connection.kysely);
  } finally {
    // The lock goes with the connection, whatever happens.
    connection.cut(new Error('the node is let go'));
  }
}
