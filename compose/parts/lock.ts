import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { PartsError } from './errors.ts';
import { firstOnPath } from './executables.ts';
import type { PartsOptions } from './options.ts';
import { throwIfAborted } from './run.ts';

/** How long one start waits for another that is fetching the same part, in ms. */
const WAIT_MS = 15 * 60_000;
/** After which time of waiting the person is told, in ms. */
const TELL_MS = 500;

const PERL =
  'open(F,">>",$ARGV[0]) or die "$!\n"; flock(F,LOCK_EX) or die "$!\n"; $|=1; print "held\n"; 1 while <STDIN>';

/**
 * Runs `body` while no other process of this user holds `file`.
 *
 * The lock is flock(2), which Node does not offer, held by a small child: the kernel frees it however its
 * holder dies, so there is no stale lock to be detected, across containers and process namespaces too. The
 * child ends when our end of its standard input closes, hence also when we are killed.
 */
export async function withLock<T>(
  file: string,
  what: string,
  o: PartsOptions,
  body: () => Promise<T>,
  waitMs = WAIT_MS,
): Promise<T> {
  await makeFolder(path.dirname(file));
  const [command, args] = await holderCommand(file, o);
  // Looked at after the last await, so that no abort falls between here and the listener below.
  throwIfAborted(o.signal);
  // A session of its own, so that Ctrl-C in the terminal frees the lock after our cleaning up, not before.
  const holder = spawn(command, args, { detached: true, stdio: ['pipe', 'pipe', 'pipe'], env: { ...o.env } });
  // Writing to a holder that was killed is of no consequence: what is built under the lock is renamed into place.
  holder.stdin.on('error', () => undefined);
  let complaint = '';
  holder.stderr.on('data', (chunk: Buffer) => {
    complaint = `${complaint}${chunk}`.slice(-500);
  });
  const closed = new Promise<string>((resolve) => {
    holder.once('error', (e) => resolve(e.message));
    holder.once('close', () => resolve(complaint.trim() || 'the lock holder ended'));
  });

  let timedOut = false;
  const giveUp = () => holder.kill('SIGKILL');
  const teller = setTimeout(() => o.progress(`waiting for another start that is ${what}`), TELL_MS);
  const timer = setTimeout(() => {
    timedOut = true;
    giveUp();
  }, waitMs);
  o.signal?.addEventListener('abort', giveUp, { once: true });
  try {
    const held = once(holder.stdout, 'data').then(() => undefined);
    // When the holder cannot even be started, stdout never says anything and `closed` decides.
    held.catch(() => undefined);
    const failure = await Promise.race([held, closed]);
    if (failure !== undefined) throw lockFailure(file, what, timedOut, failure, o);
    clearTimeout(teller);
    clearTimeout(timer);
    o.signal?.removeEventListener('abort', giveUp);
    return await body();
  } finally {
    clearTimeout(teller);
    clearTimeout(timer);
    o.signal?.removeEventListener('abort', giveUp);
    holder.stdin.end();
    await closed;
  }
}

/** Makes a folder of the cache with its parents; a failure is the user's to repair (rights, full disk). */
export async function makeFolder(dir: string): Promise<void> {
  try {
    await mkdir(dir, { recursive: true });
  } catch (cause) {
    throw new PartsError('CACHE_UNUSABLE', `The cache folder ${dir} cannot be made: ${String(cause)}`, {
      hint: 'Make it writable, or set XDG_CACHE_HOME to a folder that is.',
      cause,
    });
  }
}

async function holderCommand(file: string, o: PartsOptions): Promise<[string, string[]]> {
  // The system's own folders too: a bare PATH must not cost the lock.
  const env = { PATH: `${o.env.PATH ?? ''}:/usr/bin:/bin` };
  const flock = await firstOnPath(['flock'], env);
  if (flock !== undefined) return [flock, ['-x', file, '/bin/sh', '-c', 'echo held; read -r _']];
  const perl = await firstOnPath(['perl'], env); // macOS has no flock(1), but Perl
  if (perl !== undefined) return [perl, ['-MFcntl=:flock', '-e', PERL, file]];
  throw new PartsError(
    'TOOL_MISSING',
    'Neither flock nor perl is there to hold the lock of the cache folder.',
    {
      hint: 'Install the package util-linux (flock) or perl.',
    },
  );
}

function lockFailure(file: string, what: string, timedOut: boolean, failure: string, o: PartsOptions): Error {
  throwIfAborted(o.signal);
  if (timedOut) {
    return new PartsError('LOCK_TIMEOUT', `Another start has been ${what} for too long; it holds ${file}.`, {
      hint: `See what holds it (fuser ${file}), end that process, and start again.`,
    });
  }
  return new PartsError('CACHE_UNUSABLE', `The lock ${file} cannot be taken: ${failure}`, {
    hint: 'Make the cache folder writable, or set XDG_CACHE_HOME to a folder that is.',
  });
}
