import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, renameSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { type ProcessIdentity, startTimeOf } from '#kernel/lifecycle/process-identity.ts';
import { setModest } from '#kernel/lifecycle/scheduling-group.ts';
import { type Backoff, backoff } from '#kernel/time/backoff.ts';
import { type Clock, elapsed, type Instant, instant, type Timer } from '#kernel/time/clock.ts';
import { maxLogBytes } from './log-limit.ts';
import type { Ended } from './troubles.ts';

export interface ProgramSpec {
  /** `sec-0 process`, `sec-0 sidecar` */
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** What it prints goes here; begun anew at 10 MB, with one older file kept. */
  readonly logFile: string;
}

export interface SupervisedDeps {
  readonly clock: Clock;
  /** After each start and end. */
  readonly onChange: () => void;
  readonly onExit: (spec: ProgramSpec, how: string, restartInMs: number | undefined) => void;
}

/** Up for so long, a process begins again with the shortest delay. */
const settledMs = 30_000;

type State =
  | { at: 'stopped' }
  | { at: 'running'; child: ChildProcess; identity: ProcessIdentity; since: Instant }
  /** It ended by itself and is started again when the timer runs. */
  | { at: 'waiting'; timer: Timer; againAtMs: number }
  | { at: 'stopping'; child: ChildProcess; identity: ProcessIdentity };

/** One process that is kept running: started again, with growing delays, whenever it ends. */
export class Supervised {
  readonly spec: ProgramSpec;
  readonly #deps: SupervisedDeps;
  readonly #delay: Backoff;
  #state: State = { at: 'stopped' };
  /** Starts after the first one. */
  #restarts = 0;
  /** How it ended by itself the last time. */
  #ended: Omit<Ended, 'againAtMs'> | undefined;

  constructor(spec: ProgramSpec, deps: SupervisedDeps) {
    this.spec = spec;
    this.#deps = deps;
    this.#delay = backoff({ baseMs: 200, capMs: 10_000, jitter: 0 }, () => 0);
  }

  /** The living process, if there is one. */
  get identity(): ProcessIdentity | undefined {
    return 'identity' in this.#state ? this.#state.identity : undefined;
  }

  /** It lives, and is not being ended. */
  get isRunning(): boolean {
    return this.#state.at === 'running';
  }

  /** How it ended by itself the last time, and when it is started again if it has not been. */
  get ended(): Ended | undefined {
    const { againAtMs } = this.#state.at === 'waiting' ? this.#state : {};
    return this.#ended && { ...this.#ended, ...(againAtMs !== undefined && { againAtMs }) };
  }

  get restarts(): number {
    return this.#restarts;
  }

  /** @throws what keeps it from being started at all, the first time; later it is tried again. */
  start(): void {
    if (this.#state.at === 'running' || this.#state.at === 'stopping') return;
    if (this.#state.at === 'waiting') this.#state.timer.cancel();
    let child: ChildProcess;
    try {
      child = this.#spawn();
    } catch (error) {
      if (this.#restarts === 0) throw error;
      // No room on the disk, or no file descriptors left: that may pass, and is no reason for all to end.
      this.#again(error instanceof Error ? error.message : String(error));
      return;
    }
    let reported = false;
    const ended = (how: string): void => {
      if (reported) return;
      reported = true;
      this.#hasEnded(child, how);
    };
    child.once('error', (error) => ended(error.message));
    child.once('exit', (code, signal) => ended(signal ?? `exit code ${code}`));
    const { pid } = child;
    const startTime = pid === undefined ? undefined : startTimeOf(pid);
    if (pid === undefined || startTime === undefined) return;
    this.#state = {
      at: 'running',
      child,
      identity: { pid, startTime },
      since: instant(this.#deps.clock),
    };
    this.#deps.onChange();
  }

  /** Has it give way to the others for CPU while it starts beside them, or not any longer. Harmless when it is gone. */
  async setModest(modest: boolean): Promise<void> {
    const { identity } = this;
    if (identity !== undefined) await setModest(identity.pid, modest, this.#deps.clock);
  }

  /** Sends a signal to the living process; false if there is none. */
  signal(signal: NodeJS.Signals): boolean {
    return 'child' in this.#state && this.#state.child.kill(signal);
  }

  /**
   * Ends it for good: `ask` (by default SIGTERM) and, when it has not ended within the bound, SIGKILL.
   */
  async stop(
    graceMs: number,
    ask: () => void | Promise<void> = () => void this.signal('SIGTERM'),
  ): Promise<void> {
    const state = this.#state;
    if (state.at === 'waiting') state.timer.cancel();
    if (state.at === 'waiting' || state.at === 'stopped') {
      this.#state = { at: 'stopped' };
      return;
    }
    const { child, identity } = state;
    this.#state = { at: 'stopping', child, identity };
    const exited = new Promise<void>((resolve) => {
      if (child.exitCode !== null || child.signalCode !== null) resolve();
      else child.once('exit', () => resolve());
    });
    const kill = this.#deps.clock.setTimer(graceMs, () => child.kill('SIGKILL'));
    // A stopped process would not hear SIGTERM.
    child.kill('SIGCONT');
    await ask();
    await exited;
    kill.cancel();
    this.#state = { at: 'stopped' };
    this.#deps.onChange();
  }

  #hasEnded(child: ChildProcess, how: string): void {
    const state = this.#state;
    if (state.at === 'stopping') return;
    if (state.at === 'running') {
      if (state.child !== child) return;
      if (elapsed(this.#deps.clock, state.since) > settledMs) {
        this.#delay.reset();
        this.#ended = undefined;
      }
    }
    this.#again(how);
    this.#deps.onChange();
  }

  #again(how: string): void {
    const delay = this.#delay.next();
    const now = this.#deps.clock.now();
    this.#ended = { times: (this.#ended?.times ?? 0) + 1, how, atMs: now };
    this.#state = {
      at: 'waiting',
      againAtMs: now + delay,
      timer: this.#deps.clock.setTimer(delay, () => {
        this.#restarts += 1;
        this.start();
      }),
    };
    this.#deps.onExit(this.spec, how, delay);
  }

  #spawn(): ChildProcess {
    const log = openLog(this.spec.logFile);
    try {
      return spawn(this.spec.command, [...this.spec.args], {
        env: { ...this.spec.env },
        stdio: ['ignore', log, log],
        // A session of its own: Ctrl-C at the terminal reaches the runner alone, which stops all in order.
        detached: true,
      });
    } finally {
      closeSync(log);
    }
  }
}

function openLog(file: string): number {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const size = statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  if (size > maxLogBytes) renameSync(file, `${file}.1`);
  return openSync(file, 'a', 0o600);
}
