import { fork } from 'node:child_process';
import { join } from 'node:path';
import { isReason, SallyportError } from '#core/errors/error.ts';
import type { SyncRun } from '#gen/sallyport/directory/v1/sources_pb.js';
import { runFromText, runToText } from './run-store.ts';
import type { Stamp } from './snapshot.ts';
import type { SyncEnd } from './synchronise.ts';

/** What the process that synchronises is told. It is sent as JSON. */
export interface SyncOrder {
  readonly source: string;
  readonly fence: number;
  /** JSON of SyncRun. */
  readonly report: string;
  readonly stamp: Stamp | undefined;
  readonly fullMs: number | null;
  readonly listedMs: number | null;
}

/** What it says: how far it is, what it has put into the feed, and how it has ended. */
export interface SyncWord {
  readonly report?: string;
  readonly position?: number;
  readonly ended?: SyncEnd;
  readonly failed?: { readonly reason: string; readonly message: string };
}

export interface SyncChildOptions {
  readonly run: SyncRun;
  /** Sessions end by what it has put into the feed: the other pods are to hear of it at once. */
  readonly announce: (position: number) => void;
  /** Ends it after the batch it is at. What it has changed stays. */
  readonly signal: AbortSignal;
}

/** MiB for what is young: garbage is collected early, for memory counts for more here than time. */
const flags = ['--max-semi-space-size=4'];

/** Milliseconds for ending after the batch it is at. */
const stopMs = 3000;

/**
 * Has a process of its own do a synchronisation; `run` is kept up to date.
 * @throws what it failed with; UNAVAILABLE when it ended without a word; the signal's reason
 */
export function syncInChild(
  order: Omit<SyncOrder, 'report'>,
  { run, announce, signal }: SyncChildOptions,
): Promise<SyncEnd> {
  return new Promise((resolve, reject) => {
    // The same configuration as this process has.
    const child = fork(join(import.meta.dirname, 'sync-process.ts'), process.argv.slice(2), {
      execArgv: flags,
    });
    const kill = (): void => void child.kill('SIGKILL');
    let hard: NodeJS.Timeout | undefined;
    const stop = (): void => {
      // It says what it has done, if it can.
      if (child.connected) child.send('stop');
      hard = setTimeout(kill, stopMs);
    };
    process.once('exit', kill);
    signal.addEventListener('abort', stop, { once: true });
    let word: SyncWord | undefined;
    child.on('message', (said: SyncWord) => {
      if (said.report !== undefined) Object.assign(run, runFromText(said.report));
      if (said.position !== undefined) announce(said.position);
      if (said.ended !== undefined || said.failed !== undefined) word = said;
    });
    const end = (error?: unknown): void => {
      process.off('exit', kill);
      signal.removeEventListener('abort', stop);
      clearTimeout(hard);
      if (word?.ended !== undefined) resolve(word.ended);
      else if (signal.aborted) reject(signal.reason);
      else reject(word?.failed === undefined ? silent(error) : failed(word.failed));
    };
    child.once('error', end);
    child.once('exit', () => end());
    child.send({ ...order, report: runToText(run) });
    if (signal.aborted) stop();
  });
}

const silent = (cause: unknown): SallyportError =>
  new SallyportError('UNAVAILABLE', { message: 'the process that synchronises ended without a word', cause });

function failed({ reason, message }: { readonly reason: string; readonly message: string }): SallyportError {
  return new SallyportError(isReason(reason) ? reason : 'INTERNAL', { message });
}
