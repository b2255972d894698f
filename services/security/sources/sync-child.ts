import { type ChildProcess, fork } from 'node:child_process';
import { join } from 'node:path';
import { isReason, SallyportError } from '#core/errors/error.ts';
import type { SyncRun } from '#gen/sallyport/directory/v1/sources_pb.js';
import type { Clock, Timer } from '#kernel/time/clock.ts';
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
/** Milliseconds for which a process that has nothing to do waits for more: starting one takes longer than most syncs. */
const idleMs = 300_000;

/** Processes of their own for synchronisations: as many as are going on at once, and for a while after. */
export class SyncProcesses {
  readonly #clock: Clock;
  readonly #idle = new Map<ChildProcess, Timer>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Has a process do a synchronisation; `run` is kept up to date.
   * @throws what it failed with; UNAVAILABLE when it ended without a word; the signal's reason
   */
  sync(order: Omit<SyncOrder, 'report'>, { run, announce, signal }: SyncChildOptions): Promise<SyncEnd> {
    return new Promise((resolve, reject) => {
      const child = this.#waiting() ?? start();
      let hard: Timer | undefined;
      const stop = (): void => {
        // It says what it has done, if it can.
        if (child.connected) child.send('stop');
        hard = this.#clock.setTimer(stopMs, () => child.kill('SIGKILL'));
      };
      const over = (): void => {
        signal.removeEventListener('abort', stop);
        hard?.cancel();
        child.off('message', hear);
        child.off('error', fail);
        child.off('exit', exited);
      };
      const fail = (error: unknown): void => {
        over();
        reject(signal.aborted ? signal.reason : silent(error));
      };
      const exited = (): void => fail(undefined);
      const hear = (said: SyncWord): void => {
        if (said.report !== undefined) Object.assign(run, runFromText(said.report));
        if (said.position !== undefined) announce(said.position);
        if (said.ended === undefined && said.failed === undefined) return;
        over();
        // One that has failed may have kept what it failed by, and one that has read everything its memory.
        if (said.ended === undefined || run.full) leave(child);
        if (said.ended !== undefined) this.#keep(run.full ? start() : child);
        if (said.ended !== undefined) resolve(said.ended);
        else if (signal.aborted) reject(signal.reason);
        else if (said.failed !== undefined) reject(failed(said.failed));
      };
      child.on('message', hear);
      child.once('error', fail);
      child.once('exit', exited);
      child.send({ ...order, report: runToText(run) });
      if (signal.aborted) stop();
      else signal.addEventListener('abort', stop, { once: true });
    });
  }

  /** Ends those that wait; those at work end by their signals. */
  close(): void {
    for (const [child, timer] of this.#idle) {
      timer.cancel();
      leave(child);
    }
    this.#idle.clear();
  }

  #waiting(): ChildProcess | undefined {
    for (const [child, timer] of this.#idle) {
      this.#idle.delete(child);
      timer.cancel();
      if (child.connected && child.exitCode === null && child.signalCode === null) return child;
    }
    return undefined;
  }

  #keep(child: ChildProcess): void {
    const timer = this.#clock.setTimer(idleMs, () => {
      this.#idle.delete(child);
      leave(child);
    });
    this.#idle.set(child, timer);
  }
}

function start(): ChildProcess {
  // The same configuration as this process has.
  const child = fork(join(import.meta.dirname, 'sync-process.ts'), process.argv.slice(2), {
    execArgv: flags,
  });
  const kill = (): void => void child.kill('SIGKILL');
  process.once('exit', kill);
  child.once('exit', () => process.off('exit', kill));
  // One that dies while it waits is found out by whoever needs it next.
  child.on('error', () => {});
  return child;
}

/** Without a parent it ends. */
function leave(child: ChildProcess): void {
  if (child.connected) child.disconnect();
}

const silent = (cause: unknown): SallyportError =>
  new SallyportError('UNAVAILABLE', { message: 'the process that synchronises ended without a word', cause });

function failed({ reason, message }: { readonly reason: string; readonly message: string }): SallyportError {
  return new SallyportError(isReason(reason) ? reason : 'INTERNAL', { message });
}
