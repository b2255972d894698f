import { type RawBuilder, sql } from 'kysely';
import { mysqlNumber } from '#kernel/db/failures.ts';
import type { AgentSecrets } from './config.ts';
import { type LocalAccount, type LocalDb, onLocal } from './local-sql.ts';

/** The schema of all services. */
export const schema = 'sallyport';

/** Account names. All but `recovery` come in over mysqld's socket, through the pod's sidecar. */
export const users = {
  root: 'root',
  recovery: 'recovery',
  app: 'sallyport',
  migrate: 'migrate',
  agent: 'agent',
} as const;

const accessDenied = 1045;

/**
 * Sees to it that the accounts exist on this node: asks by logging in as `agent`, who is made last.
 * They are made on each node by itself, outside the replicated history (sql_log_bin=0), so that an empty
 * node stays without transactions; a clone brings the same ones along.
 * @returns whether they had to be made. @throws what MySQL says, e.g. access denied for every known password.
 */
export async function ensureAccounts(socketPath: string, secrets: AgentSecrets): Promise<boolean> {
  const as = (user: string, password: string): LocalAccount => ({ socketPath, user, password });
  if (await canLogIn(as(users.agent, secrets.agent))) return false;
  // Passwordless as the template leaves it, or cut off half-way.
  const root = (await canLogIn(as(users.root, ''))) ? as(users.root, '') : as(users.root, secrets.root);
  await onLocal(root, 30_000, 'making the accounts', (db) => makeAccounts(db, secrets));
  return true;
}

async function canLogIn(account: LocalAccount): Promise<boolean> {
  try {
    await onLocal(account, 5000, 'logging in', (db) => sql`do 1`.execute(db));
    return true;
  } catch (error) {
    if (mysqlNumber(error) === accessDenied) return false;
    throw error;
  }
}

async function makeAccounts(db: LocalDb, secrets: AgentSecrets): Promise<void> {
  const run = (statement: RawBuilder<unknown>): Promise<unknown> => statement.execute(db);
  const account = (user: string, host: string): RawBuilder<unknown> => sql`${sql.lit(user)}@${sql.lit(host)}`;
  const make = async (
    user: string,
    host: string,
    password: string,
    require: 'none' | 'x509',
  ): Promise<void> => {
    const who = account(user, host);
    const how = require === 'x509' ? sql`require x509` : sql`require none`;
    await run(sql`create user if not exists ${who} identified by ${password} ${how}`);
    await run(sql`alter user ${who} identified by ${password} ${how}`);
  };
  await run(sql`set session sql_log_bin = 0`);
  await run(sql`set global super_read_only = 0`);
  await run(sql`create database if not exists ${sql.id(schema)} character set utf8mb4`);

  // The one account that may come in over the network, and only with a certificate of the mesh.
  await make(users.recovery, '%', secrets.recovery, 'x509');
  const recovery = account(users.recovery, '%');
  await run(
    sql`grant replication slave, connection_admin, backup_admin, group_replication_stream on *.* to ${recovery}`,
  );

  await make(users.app, 'localhost', secrets.app, 'none');
  await run(
    sql`grant select, insert, update, delete on ${sql.id(schema)}.* to ${account(users.app, 'localhost')}`,
  );

  await make(users.migrate, 'localhost', secrets.migrate, 'none');
  await run(sql`grant all privileges on ${sql.id(schema)}.* to ${account(users.migrate, 'localhost')}`);

  await make(users.root, 'localhost', secrets.root, 'none');

  await make(users.agent, 'localhost', secrets.agent, 'none');
  const agent = account(users.agent, 'localhost');
  await run(sql`grant replication client, group_replication_admin, replication_slave_admin, system_variables_admin,
    connection_admin on *.* to ${agent}`);
  await run(sql`grant select on performance_schema.* to ${agent}`);
  await run(sql`set global super_read_only = 1`);
}
