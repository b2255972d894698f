import { sql } from 'kysely';
import { z } from 'zod';
import { mysqlNumber } from '#kernel/db/failures.ts';
import { users } from '../accounts.ts';
import type { AgentSecrets } from '../config.ts';
import { type LocalAccount, onLocal } from '../local-sql.ts';
import { beginNextEra } from '../next-era.ts';
import type { ChannelState, Source } from './decide-replica.ts';

const name = sql.lit('site');
/** ER_SERVER_RESTART_FAILED: a copy is complete, and mysqld ends for somebody to start it again. */
const restartWanted = 3707;
/** A copy of what a mesh stores takes seconds; of the largest one hours. */
const copyMs = 6 * 3_600_000;
const orderMs = 60_000;
const applyMs = 60_000;

const row = z.object({
  source: z.string(),
  receiving: z.enum(['ON', 'OFF', 'CONNECTING']),
  applying: z.enum(['ON', 'OFF']),
  receive_error: z.coerce.number(),
  receive_text: z.string(),
  apply_error: z.coerce.number(),
  apply_text: z.string(),
});

/** MySQL manual, "Performance Schema Replication Tables". A worker's error is told before the coordinator's. */
const question = sql`select concat(c.host, ':', c.port) as source, s.service_state as receiving,
  a.service_state as applying, s.last_error_number as receive_error, s.last_error_message as receive_text,
  coalesce(w.last_error_number, o.last_error_number, 0) as apply_error,
  coalesce(w.last_error_message, o.last_error_message, '') as apply_text
  from performance_schema.replication_connection_configuration c
  join performance_schema.replication_connection_status s on s.channel_name = c.channel_name
  join performance_schema.replication_applier_status a on a.channel_name = c.channel_name
  left join performance_schema.replication_applier_status_by_worker w
    on w.channel_name = c.channel_name and w.last_error_number <> 0
  left join performance_schema.replication_applier_status_by_coordinator o on o.channel_name = c.channel_name
  where c.channel_name = ${name} limit 1`;

/** What a replica can do to its mysqld. Each call is bounded and throws what MySQL says. */
export interface Channel {
  look(): Promise<ChannelState | undefined>;
  /** Follows that node from where it is. What was received and not applied is fetched again: the group has it. */
  follow(source: Source): Promise<void>;
  /** Receives nothing more, applies what was received, and follows nobody from then on. @throws when that takes too long */
  end(): Promise<void>;
  /** Begins another era in the data, which nobody serves yet; gives it. */
  beginEra(): Promise<number>;
  /** Replaces everything here by a copy of that node's data; mysqld ends when it is complete. */
  copyOf(source: Source): Promise<void>;
}

export interface ChannelOptions {
  readonly socketPath: string;
  readonly secrets: AgentSecrets;
  /** Folder whose `current` holds tls.crt, tls.key and ca.crt. */
  readonly tlsDir: string;
}

export function openChannel({ socketPath, secrets, tlsDir }: ChannelOptions): Channel {
  const agent: LocalAccount = { socketPath, user: users.agent, password: secrets.agent };
  // Only root may replace everything, forget a source, and change data.
  const root: LocalAccount = { socketPath, user: users.root, password: secrets.root };
  const tls = (file: string) => sql.lit(`${tlsDir}/current/${file}`);
  return {
    look: () =>
      onLocal(agent, 5000, 'looking at the channel', async (db) => {
        const { rows } = await question.execute(db);
        return rows[0] === undefined ? undefined : toChannelState(rows[0]);
      }),
    follow: ({ address, groupPort }) =>
      onLocal(agent, orderMs, 'following the group', async (db) => {
        await whereThereIs(sql`stop replica for channel ${name}`.execute(db));
        await sql`change replication source to source_host = ${sql.lit(address)}, source_port = ${sql.lit(groupPort)},
          source_auto_position = 1, source_connect_retry = 1, source_heartbeat_period = 1, source_ssl = 1,
          source_ssl_ca = ${tls('ca.crt')}, source_ssl_cert = ${tls('tls.crt')}, source_ssl_key = ${tls('tls.key')}
          for channel ${name}`.execute(db);
        // MySQL keeps these credentials in memory only.
        await sql`start replica user = ${sql.lit(users.recovery)} password = ${secrets.recovery}
          for channel ${name}`.execute(db);
      }),
    end: () =>
      onLocal(root, applyMs + orderMs, 'applying what was received', async (db) => {
        await whereThereIs(sql`stop replica io_thread for channel ${name}`.execute(db));
        const { rows } = await sql<{ received: string }>`select received_transaction_set as received
          from performance_schema.replication_connection_status where channel_name = ${name}`.execute(db);
        const [{ received } = { received: '' }] = rows;
        const waited = await sql<{ late: number }>`
          select wait_for_executed_gtid_set(${received}, ${sql.lit(applyMs / 1000)}) as late`.execute(db);
        if (Number(waited.rows[0]?.late) !== 0)
          throw new Error(`what was received is not applied after ${applyMs / 1000} s`);
        await whereThereIs(sql`stop replica for channel ${name}`.execute(db));
        await whereThereIs(sql`reset replica all for channel ${name}`.execute(db));
      }),
    beginEra: () =>
      onLocal(root, orderMs, 'beginning a new era', async (db) => {
        await sql`set global super_read_only = off`.execute(db);
        try {
          return await beginNextEra(db);
        } finally {
          await sql`set global super_read_only = on`.execute(db);
        }
      }),
    copyOf: ({ address, groupPort }) =>
      onLocal(root, copyMs, 'copying the group', async (db) => {
        await sql`set global clone_valid_donor_list = ${`${address}:${groupPort}`}`.execute(db);
        // Nobody else writes to a node that is not there for anybody yet; mysqld starts again without it.
        await sql`set global super_read_only = off`.execute(db);
        try {
          await sql`clone instance from ${sql.lit(users.recovery)}@${sql.lit(address)}:${sql.lit(groupPort)}
            identified by ${secrets.recovery} require ssl`.execute(db);
        } catch (error) {
          if (mysqlNumber(error) === restartWanted) return;
          await sql`set global super_read_only = on`.execute(db);
          throw error;
        }
      }),
  };
}

/** ER_REPLICA_CHANNEL_DOES_NOT_EXIST */
const noSuchChannel = 3074;

async function whereThereIs(order: Promise<unknown>): Promise<void> {
  try {
    await order;
  } catch (error) {
    if (mysqlNumber(error) !== noSuchChannel) throw error;
  }
}

function toChannelState(answer: unknown): ChannelState {
  const r = row.parse(answer);
  return {
    source: r.source,
    receiving: r.receiving,
    applying: r.applying,
    receiveError: { number: r.receive_error, text: r.receive_text },
    applyError: { number: r.apply_error, text: r.apply_text },
  };
}
