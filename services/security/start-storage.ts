import { readFile } from 'node:fs/promises';
import type { RootKeyProvider } from '#kernel/crypto/root-key.ts';
import { rootKeyProvider } from '#kernel/crypto/root-key-providers.ts';
import { readDatabaseNow } from '#kernel/db/database-now.ts';
import { DatabaseTime } from '#kernel/db/database-time.ts';
import type { Db } from '#kernel/db/db.ts';
import { migrate } from '#kernel/db/migrate.ts';
import { openDb, openReplica } from '#kernel/db/open-db.ts';
import { Hosts } from '#kernel/ldap/hosts.ts';
import type { Lifecycle } from '#kernel/lifecycle/lifecycle.ts';
import type { Logger } from '#kernel/log/logger.ts';
import { instant } from '#kernel/time/clock.ts';
import { systemClock } from '#kernel/time/system-clock.ts';
import type { SecurityConfig } from './config.ts';
import { type Credentials, localCredentials } from './directory/credentials.ts';
import { seed } from './directory/seed.ts';
import type { CredentialReads } from './feed/as-of.ts';
import { DataKeys } from './keystore/data-keys.ts';
import { Keyring } from './keystore/keyring.ts';
import { bindPassword } from './sources/bind-credentials.ts';
import { securityMigrations } from './store/migrations.ts';
import type { SecurityTables } from './store/tables.ts';

/** The database, its time, and the keys that rest in it. */
export interface Storage {
  readonly db: Db<SecurityTables>;
  readonly replica: Pick<Db<SecurityTables>, 'read'> & CredentialReads;
  readonly time: DatabaseTime;
  readonly dataKeys: DataKeys;
  readonly keyring: Keyring;
  readonly credentials: Credentials;
  readonly hosts: Hosts;
}

/** Milliseconds for which a starting pod waits for the database. */
const databaseMs = 120_000;
const keyringEveryMs = 60_000;

export async function startStorage(life: Lifecycle, config: SecurityConfig, log: Logger): Promise<Storage> {
  const clock = systemClock;
  const { sockets, database } = config;
  const { user, connections } = database;
  const password = await passwordIn(database.passwordFile);
  const account = { user, password, connections };
  if (database.migratePasswordFile !== undefined) {
    const as = { user: database.migrateUser, password: await passwordIn(database.migratePasswordFile) };
    await life.start('schema', () => bringUpToDate(sockets.dbRw, as, log), undefined, {
      startMs: databaseMs,
    });
  }
  const close = (part: { close(): Promise<void> }): Promise<void> => part.close();
  const db = await life.start(
    'database',
    () => openDb<SecurityTables>({ socketPath: sockets.dbRw, ...account }),
    close,
  );
  const replica = await life.start(
    'replica',
    () => openReplica<SecurityTables>({ socketPath: sockets.dbRo, ...account }),
    close,
  );
  const time = new DatabaseTime(clock);
  const startedAt = instant(clock);
  time.learn(await db.read(readDatabaseNow, { deadlineMs: databaseMs }), startedAt);
  const dbClock = time.asClock();
  const rootKeys = rootKeysOf(config);
  const dataKeys = await life.start('data keys', () => DataKeys.open({ db, rootKeys, clock: dbClock }));
  const keyring = await life.start('keyring', () => Keyring.open({ db, dataKeys, clock: dbClock, log }));
  const refresh = clock.setRepeating(keyringEveryMs, () => {
    keyring.refresh().catch((error) => log.warn({ err: error }, 'the shared keys could not be refreshed'));
  });
  life.defer('keyring refresh', () => refresh.cancel());
  const { seedFile } = config;
  if (seedFile !== undefined) await life.start('seed', () => seed({ db, clock: dbClock, log }, seedFile));
  const hosts = new Hosts(clock);
  const credentials = await localCredentials(replica, bindPassword({ db, replica, dataKeys, hosts, log }));
  return { db, replica, time, dataKeys, keyring, credentials, hosts };
}

export const rootKeysOf = ({ rootKey }: SecurityConfig): RootKeyProvider =>
  rootKeyProvider(
    rootKey.from === 'exec' ? { ...rootKey, command: [...rootKey.command] } : rootKey,
    process.env,
  );

async function bringUpToDate(
  socketPath: string,
  account: { user: string; password: string },
  log: Logger,
): Promise<void> {
  const db = openDb<SecurityTables>({ socketPath, ...account, connections: 1 });
  try {
    await migrate(db, securityMigrations, { deadlineMs: databaseMs, progress: (line) => log.info(line) });
  } finally {
    await db.close();
  }
}

export async function passwordIn(file: string): Promise<string> {
  return (await readFile(file, 'utf8')).trim();
}
