import { sql } from 'kysely';
import { mysqlNumber } from '#kernel/db/failures.ts';
import { users } from './accounts.ts';
import type { AgentSecrets } from './config.ts';
import { type LocalAccount, type LocalDb, onLocal } from './local-sql.ts';

const channel = 'group_replication_applier';
/** ER_REPLICA_CHANNEL_DOES_NOT_EXIST: this node was never in a group. */
const noSuchChannel = 3074;

/** What the agent can do to its mysqld's membership. Each call is bounded and throws what MySQL says. */
export interface GroupCommands {
  join(): Promise<void>;
  /** Forms the group with this node as its first member. */
  bootstrap(): Promise<void>;
  leave(): Promise<void>;
  /** Applies what the relay log holds, while the node is in no group. */
  applyRelayLog(received: string): Promise<void>;
  /** Serves again after the exit action OFFLINE_MODE. */
  open(): Promise<void>;
  /** Moves the role of primary, after the transactions under way. */
  moveTo(serverUuid: string): Promise<void>;
  reloadTls(): Promise<void>;
}

export function groupCommands(account: LocalAccount, secrets: AgentSecrets): GroupCommands {
  const on = <T>(ms: number, what: string, work: (db: LocalDb) => Promise<T>): Promise<T> =>
    onLocal(account, ms, what, work);
  // MySQL keeps these credentials in memory only, and blanks them in its logs.
  const start = sql`start group_replication
    user = ${sql.lit(users.recovery)}, password = ${secrets.recovery}`;
  return {
    join: () => on(180_000, 'joining the group', async (db) => void (await start.execute(db))),
    bootstrap: () =>
      on(120_000, 'forming the group', async (db) => {
        await sql`set global group_replication_bootstrap_group = on`.execute(db);
        try {
          await start.execute(db);
        } finally {
          await sql`set global group_replication_bootstrap_group = off`.execute(db);
        }
      }),
    leave: () =>
      on(60_000, 'leaving the group', async (db) => void (await sql`stop group_replication`.execute(db))),
    applyRelayLog: (received) =>
      on(660_000, 'applying the relay log', async (db) => {
        try {
          await sql`start replica sql_thread for channel ${sql.lit(channel)}`.execute(db);
        } catch (error) {
          if (mysqlNumber(error) === noSuchChannel) return;
          throw error;
        }
        try {
          await sql`do wait_for_executed_gtid_set(${received}, 600)`.execute(db);
        } finally {
          await sql`stop replica sql_thread for channel ${sql.lit(channel)}`.execute(db);
        }
      }),
    open: () =>
      on(
        10_000,
        'ending offline_mode',
        async (db) => void (await sql`set global offline_mode = off`.execute(db)),
      ),
    moveTo: (serverUuid) =>
      on(15_000, 'moving the primary', async (db) => {
        // 5 s for transactions under way; then they are ended.
        await sql`select group_replication_set_as_primary(${sql.lit(serverUuid)}, 5)`.execute(db);
      }),
    reloadTls: () =>
      on(10_000, 'reloading TLS', async (db) => void (await sql`alter instance reload tls`.execute(db))),
  };
}
