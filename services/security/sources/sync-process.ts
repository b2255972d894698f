/**
 * node services/security/sources/sync-process.ts --config FILE: does one synchronisation for the security pod that has
 * started it, and ends. A process of its own: reading fifty thousand users must neither hold up decisions nor leave
 * their memory behind. Takes a SyncOrder and gives SyncWords over the channel to its parent.
 */
import { parseArgs } from 'node:util';
import { SallyportError } from '#core/errors/error.ts';
import { loadConfig } from '#kernel/config/load-config.ts';
import { readDatabaseNow } from '#kernel/db/database-now.ts';
import { DatabaseTime } from '#kernel/db/database-time.ts';
import { openDb } from '#kernel/db/open-db.ts';
import { Hosts } from '#kernel/ldap/hosts.ts';
import { instant } from '#kernel/time/clock.ts';
import { systemClock } from '#kernel/time/system-clock.ts';
import { securityConfig } from '../config.ts';
import { mysqlFeedSource } from '../feed/mysql-feed-source.ts';
import { DataKeys } from '../keystore/data-keys.ts';
import { passwordIn, rootKeysOf } from '../start-storage.ts';
import type { SecurityTables } from '../store/tables.ts';
import { runFromText, runToText } from './run-store.ts';
import { accessTo } from './source-store.ts';
import type { SyncOrder, SyncWord } from './sync-child.ts';
import { synchronise } from './synchronise.ts';

/** Milliseconds between two words about how far it is. */
const tellMs = 500;

const { values } = parseArgs({ options: { config: { type: 'string' } } });
const tell = (word: SyncWord): void => void process.send?.(word);

const end = new AbortController();

process.once('message', (order: SyncOrder) => {
  process.on('message', () => end.abort(new SallyportError('CANCELLED', { message: 'it is to end' })));
  work(order).then(
    () => process.disconnect(),
    // Its parent finds that it has ended without a word.
    () => process.exit(1),
  );
});
// Without a parent nobody keeps the lease.
process.once('disconnect', () => process.exit(0));

async function work(order: SyncOrder): Promise<void> {
  const config = loadConfig(securityConfig, {
    ...(values.config !== undefined && { file: values.config }),
    env: process.env,
    envPrefix: 'SALLYPORT_SECURITY_',
  });
  const { sockets, database } = config;
  const password = await passwordIn(database.passwordFile);
  const db = openDb<SecurityTables>({
    socketPath: sockets.dbRw,
    user: database.user,
    password,
    connections: 2,
  });
  const run = runFromText(order.report);
  const teller = setInterval(() => tell({ report: runToText({ ...run, listed: [] }) }), tellMs);
  try {
    const time = new DatabaseTime(systemClock);
    const startedAt = instant(systemClock);
    time.learn(await db.read(readDatabaseNow), startedAt);
    const clock = time.asClock();
    const dataKeys = await DataKeys.open({ db, rootKeys: rootKeysOf(config), clock });
    const source = await accessTo({ db, dataKeys }, order.source);
    const feed = mysqlFeedSource(db, db);
    const ended = await synchronise(
      {
        db,
        clock,
        hosts: new Hosts(systemClock),
        feed: {
          append: (entry, trx) => feed.append(entry, trx),
          announce: async (position) => {
            tell({ position });
            return { position, everywhere: false };
          },
        },
      },
      {
        ...order,
        source,
        lease: { source: order.source, fence: order.fence },
        run,
        signal: end.signal,
      },
    );
    run.peakMib = Math.round(process.resourceUsage().maxRSS / 1024);
    tell({ report: runToText(run), ended });
  } catch (error) {
    const { reason, message } = SallyportError.from(error);
    tell({ report: runToText(run), failed: { reason, message } });
  } finally {
    clearInterval(teller);
    await db.close();
  }
}
