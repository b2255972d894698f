import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql } from 'kysely';
import { SallyportError } from '#core/errors/error.ts';
import { waitFor } from '#kernel/time/wait-for.ts';
import { type LocalAccount, onLocal } from '../local-sql.ts';
import { endOf } from './archive.ts';
import { yieldIfWeDo } from './priority.ts';

/** Programs of one MySQL, by their paths. */
export interface MysqlTools {
  readonly mysqld: string;
  readonly mysql: string;
  readonly mysqlbinlog: string;
}

/** A server over some data, which nobody but this process can reach and which is in no group. */
export interface Throwaway {
  /** Any name will do: it asks for no password. */
  readonly account: LocalAccount;
}

/** Milliseconds for recovery and a first answer, for its end, and for what a log holds. */
const startMs = 300_000;
const endMs = 120_000;

/**
 * Starts a server on `dataDir`, runs `use`, and ends the server in order: the data are then whole without it. It writes
 * no binary log and keeps the GTIDs of what it is given. Dies with this process.
 * @throws RESTORE_FAILED when it does not start or end
 */
export async function withThrowaway<T>(
  tools: Pick<MysqlTools, 'mysqld'>,
  dataDir: string,
  use: (server: Throwaway) => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  // Short: a socket lives in it.
  const dir = await mkdtemp(join(tmpdir(), 'sp-bk-'));
  const log = join(dir, 'mysqld.log');
  const account = { socketPath: join(dir, 's'), user: 'root', password: '' };
  const guard = process.platform === 'linux' ? ['setpriv', '--pdeathsig', 'KILL'] : [];
  const [program = '', ...args] = [...guard, tools.mysqld, ...flags(dataDir, dir, log)];
  const child = spawn(program, args, { stdio: 'ignore', env: { PATH: process.env.PATH, TZ: 'UTC' } });
  yieldIfWeDo(child);
  let over = false;
  const ended = endOf(child, 'mysqld').finally(() => {
    over = true;
  });
  ended.catch(() => undefined);
  const failed = async (what: string, cause: unknown): Promise<SallyportError> => {
    const said = await readFile(log, 'utf8').catch(() => '');
    const errors = said.split('\n').filter((line) => line.includes('[ERROR]'));
    return new SallyportError('RESTORE_FAILED', {
      message: `${what}: ${errors.slice(-3).join(' ') || String(cause)}`,
      cause,
    });
  };
  try {
    try {
      await waitFor(
        async () => {
          if (over) return 'over';
          await onLocal(account, 2000, 'asking the throwaway server', (db) => sql`do 1`.execute(db));
          return 'up';
        },
        { timeoutMs: startMs, everyMs: 50, what: 'the throwaway server', ...(signal && { signal }) },
      );
      if (over) await ended;
    } catch (error) {
      throw await failed('the restored data do not start', error);
    }
    const result = await use({ account });
    child.kill('SIGTERM');
    try {
      await waitFor(() => over, { timeoutMs: endMs, everyMs: 20, what: 'the throwaway server to end' });
      await ended;
    } catch (error) {
      throw await failed('the restored data do not close', error);
    }
    return result;
  } finally {
    if (!over) {
      child.kill('SIGKILL');
      await ended.catch(() => undefined);
    }
    await rm(dir, { recursive: true, force: true });
  }
}

const flags = (dataDir: string, dir: string, log: string): string[] => [
  '--no-defaults',
  ...(process.getuid?.() === 0 ? ['--user=root'] : []),
  `--datadir=${dataDir}`,
  `--socket=${join(dir, 's')}`,
  `--pid-file=${join(dir, 'pid')}`,
  `--log-error=${log}`,
  '--log-error-verbosity=2',
  '--skip-networking',
  '--skip-mysqlx',
  // Accounts are those of the mesh that was saved; whoever reaches the socket owns the files anyway.
  '--skip-grant-tables',
  '--skip-log-bin',
  '--skip-replica-start',
  '--server-id=1',
  '--gtid-mode=ON',
  '--enforce-gtid-consistency=ON',
  '--super-read-only=OFF',
  '--secure-file-priv=NULL',
  '--auto-generate-certs=OFF',
  '--performance-schema=OFF',
  '--character-set-server=utf8mb4',
  '--default-time-zone=+00:00',
  '--max-allowed-packet=1G',
  '--innodb-buffer-pool-size=64M',
  '--innodb-redo-log-capacity=32M',
  '--innodb-flush-log-at-trx-commit=0',
];

/** Plays binary logs into a server: what it has already, by GTID, it leaves out. @throws RESTORE_FAILED */
export async function playLog(
  tools: MysqlTools,
  { account }: Throwaway,
  files: readonly string[],
  stopAtMs?: number,
): Promise<void> {
  if (files.length === 0) return;
  const stop =
    stopAtMs === undefined
      ? []
      : [`--stop-datetime=${new Date(stopAtMs).toISOString().slice(0, 19).replace('T', ' ')}`];
  const env = { PATH: process.env.PATH, TZ: 'UTC' };
  const reader = spawn(tools.mysqlbinlog, ['--no-defaults', ...stop, ...files], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env,
  });
  const client = ['--no-defaults', `--socket=${account.socketPath}`, '--user=root', '--binary-mode'];
  const player = spawn(tools.mysql, [...client, '--max-allowed-packet=1G'], {
    stdio: ['pipe', 'ignore', 'pipe'],
    env,
  });
  for (const each of [reader, player]) yieldIfWeDo(each);
  // When the player ends early, its own words say why.
  player.stdin.on('error', () => reader.kill('SIGKILL'));
  reader.stdout.pipe(player.stdin);
  const [read, played] = await Promise.allSettled([endOf(reader, 'mysqlbinlog'), endOf(player, 'mysql')]);
  const wrong = [played, read].find((each) => each.status === 'rejected');
  if (wrong !== undefined) {
    throw new SallyportError('RESTORE_FAILED', {
      message: `the log cannot be played: ${String(wrong.reason)}`,
      cause: wrong.reason,
    });
  }
}
