/**
 * node services/security/sources/sync-process.ts --config FILE: does synchronisations, one after the other, for the
 * security pod that has started it, and ends with the channel to it. A process of its own: reading fifty thousand users
 * must neither hold up decisions nor leave their memory behind for long. Takes SyncOrders, each followed by SyncWords of
 * which the last says how it ended; `stop` ends the one it is at.
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
import type { Left } from './left.ts';
import { runFromText, runToText } from './run-store.ts';
import { accessTo } from './source-store.ts';
import type { SyncOrder, SyncWord } from './sync-child.ts';
import { synchronise } from './synchronise.ts';

/** Milliseconds between two words about how far it is. */
const tellMs = 500;

const { values } = parseArgs({ options: { config: { type: 'string' } } });
const tell = (word: SyncWord): void => void process.send?.(word);

/** Ends what it is at. */
let end: AbortController | undefined;

process.on('message', (said: SyncOrder | 'stop') => {
  if (said === 'stop') {
    end?.abort(new SallyportError('CANCELLED', { message: 'it is to end' }));
    return;
  }
  end = new AbortController();
  work(said, end.signal).then(
    () => {
      end = undefined;
    },
    // Its parent finds that it has ended without a word.
    () => process.exit(1),
  );
});
// Without a parent nobody keeps the lease.
process.once('disconnect', () => process.exit(0));

/** For the next one, if that is of the same source and nobody else was at it. */
let left: Left | undefined;
let opened: ReturnType<typeof open> | undefined;

/** What every synchronisation needs; a process that could not get it is not used again. */
async function open() {
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
  const time = new DatabaseTime(systemClock);
  const clock = time.asClock();
  const dataKeys = await DataKeys.open({ db, rootKeys: rootKeysOf(config), clock });
  return { db, time, clock, dataKeys, hosts: new Hosts(systemClock), feed: mysqlFeedSource(db, db, clock) };
}

async function work(order: SyncOrder, signal: AbortSignal): Promise<void> {
  const run = runFromText(order.report);
  const before = left;
  left = undefined;
  const teller = setInterval(() => tell({ report: runToText({ ...run, listed: [] }) }), tellMs);
  try {
    opened ??= open();
    const { db, time, clock, dataKeys, hosts, feed } = await opened;
    const startedAt = instant(systemClock);
    time.learn(await db.read(readDatabaseNow), startedAt);
    const source = await accessTo({ db, dataKeys }, order.source);
    const ended = await synchronise(
      {
        db,
        clock,
        hosts,
        feed: {
          appendAll: (entries, trx) => feed.appendAll(entries, trx),
          announce: async (position) => {
            tell({ position });
            return { position, everywhere: false };
          },
        },
      },
      {
        ...order,
        ...{ source, run, signal, left: before },
        lease: { source: order.source, fence: order.fence },
        leave: (now) => {
          left = now;
        },
      },
    );
    run.peakMib = Math.round(process.resourceUsage().maxRSS / 1024);
    tell({ report: runToText(run), ended });
  } catch (error) {
    const { reason, message } = SallyportError.from(error);
    tell({ report: runToText(run), failed: { reason, message } });
  } finally {
    clearInterval(teller);
  }
}
