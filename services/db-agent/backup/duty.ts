import { type ChildProcess, fork } from 'node:child_process';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { SallyportError } from '#core/errors/error.ts';
import { loadConfig } from '#kernel/config/load-config.ts';
import type { Clock } from '#kernel/time/clock.ts';
import type { AgentConfig } from '../config.ts';
import type { Keeper } from '../keeper.ts';
import type { Log } from '../log.ts';
import { loop } from '../loop.ts';
import type { Peers } from '../peers.ts';
import { type BackupJob, type BackupWord, backupJob } from './job.ts';
import { isBackupTurn } from './turn.ts';

/** The answer to GET /backup. */
export interface BackupAnswer {
  /** Whether backups are scheduled here, and this node makes them. */
  readonly scheduled: boolean;
  readonly mine: boolean;
  /** Snapshots that were asked for at this node. */
  readonly asked: number;
  readonly word?: BackupWord;
}

export interface DutyOptions {
  readonly config: AgentConfig;
  readonly keeper: Pick<Keeper, 'status' | 'backupFailing'>;
  readonly peers: Pick<Peers, 'view'>;
  readonly clock: Clock;
  readonly log: Log;
}

const everyMs = 1000;
/** Milliseconds of failing after which another node is to try, and after which it may be this one's turn again. */
const patienceMs = 60_000;
const forgottenMs = 600_000;
/** Milliseconds before a process that ended is started again. */
const restartMs = 5000;
/** Milliseconds for the process to end by itself. */
const endMs = 5000;

/** Runs the backup process while there is a schedule and it is this node's turn. */
export class BackupDuty {
  readonly #o: DutyOptions;
  readonly #stop = new AbortController();
  #child: ChildProcess | undefined;
  #version = '';
  #job: BackupJob | undefined;
  #asked = 0;
  #word: BackupWord | undefined;
  #failingSince: number | undefined;
  #notBefore = 0;

  constructor(options: DutyOptions) {
    this.#o = options;
  }

  get answer(): BackupAnswer {
    const word = this.#word;
    const mine = this.#child !== undefined;
    return { scheduled: this.#job !== undefined, mine, asked: this.#asked, ...(word && { word }) };
  }

  /** Asks for a snapshot; false when it is another node's turn, or nobody's. */
  now(): boolean {
    if (this.#child === undefined) return false;
    this.#asked += 1;
    this.#child.send('now');
    return true;
  }

  async run(): Promise<void> {
    if (this.#o.config.backup === undefined) return;
    await loop(this.#o.clock, everyMs, this.#stop.signal, () => this.#turn());
    await this.#end();
  }

  stop(): void {
    this.#stop.abort();
  }

  async #turn(): Promise<void> {
    const { keeper, peers, clock } = this.#o;
    if (this.#readJob()) await this.#end();
    const now = clock.monotonic();
    const failing = now - (this.#failingSince ?? now);
    if (failing > forgottenMs) this.#failingSince = undefined;
    keeper.backupFailing = failing > patienceMs && failing <= forgottenMs;
    const mine = this.#job !== undefined && isBackupTurn(keeper.status, peers.view);
    if (mine && this.#child === undefined && now >= this.#notBefore) this.#start(this.#job);
    if (!mine) await this.#end();
  }

  /** Whether it is another one than before. */
  #readJob(): boolean {
    const { config, log } = this.#o;
    const file = join(config.backup?.stateDir ?? '', 'backup.json');
    const stat = statSync(file, { throwIfNoEntry: false });
    const version = stat === undefined ? '' : `${stat.ino} ${stat.mtimeMs}`;
    if (version === this.#version) return false;
    this.#version = version;
    this.#job = undefined;
    if (stat === undefined) return true;
    try {
      this.#job = loadConfig(backupJob, { file });
    } catch (error) {
      log('error', 'the schedule of backups cannot be read', { error: SallyportError.from(error).message });
    }
    return true;
  }

  #start(job: BackupJob | undefined): void {
    const { config, log, clock } = this.#o;
    if (job === undefined) return;
    this.#asked = 0;
    const error = this.#word?.error;
    this.#word = { phase: 'starting', answered: 0, ...(error && { error }) };
    const child = fork(join(import.meta.dirname, 'main.ts'), {
      execArgv: ['--max-old-space-size=384'],
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    this.#child = child;
    log('info', 'this node makes the backups', { pid: child.pid });
    child.on('message', (word: BackupWord) => {
      if (this.#child !== child) return;
      this.#word = word;
      if (word.error === undefined) this.#failingSince = undefined;
      else this.#failingSince ??= clock.monotonic();
    });
    child.on('error', (error) =>
      log('error', 'the backup process cannot be started', { error: error.message }),
    );
    child.on('exit', (code, signal) => {
      if (this.#child !== child) return;
      log('warn', 'the backup process ended', { code, signal });
      this.#child = undefined;
      this.#failingSince ??= clock.monotonic();
      this.#notBefore = clock.monotonic() + restartMs;
    });
    child.send({ config, job });
  }

  async #end(): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    this.#child = undefined;
    this.#word = undefined;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    if (child.connected) child.disconnect();
    const timer = this.#o.clock.setTimer(endMs, () => child.kill('SIGKILL'));
    await gone;
    timer.cancel();
  }
}
