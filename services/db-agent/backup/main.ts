/**
 * The backup process of a db pod, started by its agent while it is this pod's turn; ends with it. Takes a BackupOrder,
 * then 'now' for each snapshot that somebody asks for; gives BackupWords.
 */
import { randomBytes } from 'node:crypto';
import { rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { SallyportError } from '#core/errors/error.ts';
import { createLogger, flushRepeats } from '#kernel/log/logger.ts';
import { systemClock } from '#kernel/time/system-clock.ts';
import { users } from '../accounts.ts';
import { type AgentConfig, readSecrets } from '../config.ts';
import type { BackupJob, BackupWord } from './job.ts';
import { yieldToOthers } from './priority.ts';
import { BackupRunner } from './runner.ts';
import { readKeyFile } from './seal.ts';
import { openStore } from './store.ts';

/** The first message. */
export interface BackupOrder {
  readonly config: AgentConfig;
  readonly job: BackupJob;
}

const end = new AbortController();
const tell = (word: BackupWord): void => {
  if (process.connected) process.send?.(word);
};
let runner: BackupRunner | undefined;
let early = 0;

process.once('disconnect', () => {
  end.abort(new SallyportError('CANCELLED', { message: 'the agent has gone' }));
  // A copy that goes on in MySQL ends with its connection.
  setTimeout(() => process.exit(1), 4000).unref();
});
// Its agent ends it, after mysqld has ended; what signals the whole group is not meant for it.
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => {});
process.once('message', (order: BackupOrder) => {
  process.on('message', () => {
    if (runner) runner.want();
    else early += 1;
  });
  void work(order);
});

async function work({ config, job }: BackupOrder): Promise<void> {
  const { pod, dataDir, backup } = config;
  const logger = createLogger({ pod });
  try {
    if (backup === undefined) throw new SallyportError('CONFIG_INVALID', { message: 'backup is not set' });
    const key = await readKeyFile(job.keyFile);
    // What it does can wait for what people wait for. The threads are there since a file has been read.
    yieldToOthers();
    const store = await openStore(job);
    const folder = join(dirname(dataDir), 'backup');
    const scratchDir = join(folder, 'proof');
    await rm(scratchDir, { recursive: true, force: true });
    const secrets = await readSecrets(config.secretsFile);
    runner = new BackupRunner({
      ...{ job, store, key, pod, dataDir, tell, scratchDir },
      account: { socketPath: config.sockets.mysqld, user: users.root, password: secrets.root },
      tools: { mysqld: config.mysqld, mysql: backup.mysql, mysqlbinlog: backup.mysqlbinlog },
      stateDir: backup.stateDir,
      scheduledAtMs: (await stat(join(backup.stateDir, 'backup.json'))).mtimeMs,
      spoolDir: join(folder, 'spool'),
      clock: systemClock,
      randomHex: (bytes) => randomBytes(bytes).toString('hex'),
      log: (level, message, fields = {}) => logger[level](fields, message),
      signal: end.signal,
    });
    for (; early > 0; early -= 1) runner.want();
    await runner.run();
    await store.close();
  } catch (err) {
    const { reason, message } = SallyportError.from(err);
    logger.error({ err }, 'backups cannot be made');
    tell({ phase: 'starting', answered: Number.MAX_SAFE_INTEGER, error: { reason, message } });
  }
  flushRepeats(logger);
  if (process.connected) process.disconnect();
}
