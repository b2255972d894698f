import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  commandLineOf,
  isAlive,
  type ProcessIdentity,
  processIdentity,
  startTimeOf,
} from '#kernel/lifecycle/process-identity.ts';
import { backoff } from '#kernel/time/backoff.ts';
import type { Clock } from '#kernel/time/clock.ts';
import { waitFor } from '#kernel/time/wait-for.ts';
import type { Log } from './log.ts';
import { parseJson } from './parse-json.ts';

export interface MysqldOptions {
  readonly bin: string;
  readonly cnfFile: string;
  /** Written by mysqld itself. */
  readonly pidFile: string;
  readonly runDir: string;
  readonly logFile: string;
  /** Bytes above which the log is put aside (as `<logFile>.1`) at the next start of mysqld. */
  readonly maxLogBytes: number;
  readonly log: Log;
  readonly clock: Clock;
  readonly random: () => number;
}

/** A run of this length counts as a success, after which the next restart is immediate again. Milliseconds. */
const steadyMs = 10_000;

/**
 * The mysqld of this pod. It lives in a session of its own and outlives the agent; the next agent adopts
 * it by the identity on file, so there are never two over one data directory (InnoDB's own lock would
 * refuse the second).
 */
export class Mysqld {
  readonly #o: MysqldOptions;
  readonly #identityFile: string;
  readonly #pause;
  #running: ProcessIdentity | undefined;
  #startedAt = 0;
  #notBefore = 0;
  #starts = 0;

  constructor(options: MysqldOptions) {
    this.#o = options;
    this.#identityFile = join(options.runDir, 'mysqld.json');
    this.#pause = backoff({ baseMs: 250, factor: 2, capMs: 10_000, jitter: 0.2 }, options.random);
  }

  get pid(): number | undefined {
    return this.#running?.pid;
  }

  /** How often this agent started it. */
  get starts(): number {
    return this.#starts;
  }

  /** Takes over a living mysqld of an earlier agent; returns whether there is one. */
  adopt(): boolean {
    const found = this.#recorded() ?? this.#byPidFile();
    if (!found) return false;
    this.#running = found;
    this.#startedAt = this.#o.clock.monotonic();
    this.#o.log('info', 'adopted the living mysqld', { pid: found.pid });
    return true;
  }

  /** Looks after it: starts it when it is dead and the back-off has passed. Returns whether it lives. */
  keep(): boolean {
    const now = this.#o.clock.monotonic();
    if (this.#running) {
      if (isAlive(this.#running)) return true;
      this.#o.log('warn', 'mysqld is gone', { pid: this.#running.pid });
      this.#running = undefined;
      if (now - this.#startedAt >= steadyMs) this.#pause.reset();
      // The first restart is immediate: mysqld ends itself after a clone.
      this.#notBefore = now - this.#startedAt >= steadyMs ? now : now + this.#pause.next();
    }
    if (now < this.#notBefore) return false;
    this.#start();
    return true;
  }

  signal(name: 'SIGTERM' | 'SIGKILL'): void {
    if (this.#running && isAlive(this.#running)) process.kill(this.#running.pid, name);
  }

  /** Resolves when it is dead. @throws DEADLINE after `ms`. */
  async ended(ms: number): Promise<void> {
    const running = this.#running;
    if (!running) return;
    await waitFor(() => !isAlive(running), {
      timeoutMs: ms,
      everyMs: 20,
      what: `mysqld (${running.pid}) to end`,
    });
    this.#running = undefined;
    rmSync(this.#identityFile, { force: true });
  }

  #start(): void {
    const { bin, cnfFile, log, logFile } = this.#o;
    this.#putLogAside();
    const fd = openSync(logFile, 'a', 0o600);
    const { PATH, HOME, LANG } = process.env;
    const child = spawn(bin, [`--defaults-file=${cnfFile}`], {
      stdio: ['ignore', fd, fd],
      detached: true,
      env: { PATH, HOME, LANG },
    });
    closeSync(fd);
    this.#startedAt = this.#o.clock.monotonic();
    this.#starts += 1;
    child.on('error', (error) => log('error', 'mysqld cannot be started', { error: error.message, bin }));
    child.on('exit', (code, signal) => log('warn', 'mysqld ended', { pid: child.pid, code, signal }));
    child.unref();
    const startTime = child.pid === undefined ? undefined : startTimeOf(child.pid);
    if (child.pid === undefined || startTime === undefined) {
      this.#notBefore = this.#startedAt + this.#pause.next();
      return;
    }
    this.#running = { pid: child.pid, startTime };
    writeFileSync(this.#identityFile, JSON.stringify(this.#running), { mode: 0o600 });
    log('info', 'mysqld started', { pid: child.pid });
  }

  #putLogAside(): void {
    const size = statSync(this.#o.logFile, { throwIfNoEntry: false })?.size ?? 0;
    if (size > this.#o.maxLogBytes) renameSync(this.#o.logFile, `${this.#o.logFile}.1`);
  }

  #recorded(): ProcessIdentity | undefined {
    const text = readIfThere(this.#identityFile);
    if (text === undefined) return undefined;
    const parsed = processIdentity.safeParse(parseJson(text));
    return parsed.success && isAlive(parsed.data) ? parsed.data : undefined;
  }

  /** For an agent that was killed between starting mysqld and writing that down. */
  #byPidFile(): ProcessIdentity | undefined {
    const pid = Number(readIfThere(this.#o.pidFile)?.trim());
    if (!Number.isInteger(pid) || pid <= 0) return undefined;
    if (!commandLineOf(pid).includes(`--defaults-file=${this.#o.cnfFile}`)) return undefined;
    const startTime = startTimeOf(pid);
    return startTime === undefined ? undefined : { pid, startTime };
  }
}

function readIfThere(file: string): string | undefined {
  return statSync(file, { throwIfNoEntry: false }) ? readFileSync(file, 'utf8') : undefined;
}
