import { spawn } from 'node:child_process';

/** MySQL writes it before each transaction, in microseconds: when it was committed where it was first. */
const committed = /original_commit_timestamp=(\d+)/;

/**
 * When the first transaction in binary logs was committed that is not among `gtid`, Unix milliseconds; undefined when all
 * are. Reads no further than there.
 * @throws what the system says when the program cannot be run
 */
export async function firstCommitBeyond(
  mysqlbinlog: string,
  files: readonly string[],
  gtid: string,
): Promise<number | undefined> {
  const reader = spawn(mysqlbinlog, ['--no-defaults', `--exclude-gtids=${gtid}`, ...files], {
    stdio: ['ignore', 'pipe', 'ignore'],
    env: { PATH: process.env.PATH, TZ: 'UTC' },
  });
  const failed = new Promise<never>((_, reject) => reader.once('error', reject));
  failed.catch(() => undefined);
  const read = async (): Promise<number | undefined> => {
    let text = '';
    for await (const chunk of reader.stdout.setEncoding('utf8') as AsyncIterable<string>) {
      text = text.slice(-100) + chunk;
      const found = committed.exec(text)?.[1];
      // The last digits may be in the next chunk.
      if (found !== undefined && !text.endsWith(found)) return Number(found) / 1000;
    }
    return undefined;
  };
  try {
    return await Promise.race([read(), failed]);
  } finally {
    reader.kill('SIGKILL');
  }
}
