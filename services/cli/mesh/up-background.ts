import { spawn } from 'node:child_process';
import { closeSync, fstatSync, mkdirSync, openSync, readSync, renameSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type RunState, readRunState } from '#compose/runner/run-file.ts';
import { SallyportError } from '#core/errors/error.ts';
import type { CommandContext } from '../command.ts';
import { ToldError } from '../failure.ts';
import type { Outcome } from '../report.ts';
import { runDemo } from './demo.ts';
import { settingArguments, type UpOptions } from './up-options.ts';
import { tellWhatToTry } from './what-to-try.ts';
import { refuseIfRunning } from './wipe.ts';

const main = join(import.meta.dirname, '..', 'main.ts');
const maxLogBytes = 10_000_000;
/** The runner bounds each of its steps; this is for a runner that hangs. A first start downloads 130 MB. */
const startMs = 20 * 60_000;
const lookMs = 100;

/** Starts a runner that outlives this process, shows what it says until the mesh is up, and returns. */
export async function upInBackground(options: UpOptions, command: CommandContext): Promise<Outcome> {
  const { stateDir } = command;
  refuseIfRunning(stateDir);
  const state = await startRunner(options, command);
  const owner = options.demo === true ? await runDemo(command) : undefined;
  tellWhatToTry(command, owner);
  return { ok: true, items: { state: stateDir, runner: state.runner.pid, edgeUrls: state.edgeUrls } };
}

async function startRunner(options: UpOptions, command: CommandContext): Promise<RunState> {
  const { stateDir, env, signal, clock, report } = command;
  mkdirSync(stateDir, { recursive: true, mode: 0o700 });
  const log = openLog(join(stateDir, 'runner.log'));
  const child = spawn(
    process.execPath,
    [main, 'up', '--foreground', '--followed', '--state', stateDir, ...settingArguments(options)],
    // Its own session: it is to live on when this terminal is closed.
    { detached: true, stdio: ['ignore', log.fd, log.fd], env },
  );
  let ended: string | undefined;
  child.once('error', (error) => {
    ended = error.message;
  });
  child.once('exit', (code, by) => {
    ended = by ?? `exit code ${code}`;
  });
  const interrupt = (): void => void child.kill('SIGTERM');
  signal.addEventListener('abort', interrupt, { once: true });
  const reader = new LineReader(log.fd, log.from);
  const said: string[] = [];
  const show = (): void => {
    for (const line of reader.read()) {
      said.push(line);
      // Its error is told below, as this command's.
      if (!/^(error|hint)\b/.test(line)) report.say(line);
    }
  };
  try {
    const until = clock.monotonic() + startMs;
    for (;;) {
      const over = ended;
      show();
      if (over !== undefined) {
        signal.throwIfAborted();
        throw errorIn(said, over, join(stateDir, 'runner.log'));
      }
      const state = readRunState(stateDir);
      if (state?.state === 'up' && state.runner.pid === child.pid) return state;
      if (clock.monotonic() > until) {
        child.kill('SIGTERM');
        throw new SallyportError('START_FAILED', {
          message: `the mesh did not come up within ${startMs / 60_000} minutes`,
          hint: `read ${join(stateDir, 'runner.log')}`,
        });
      }
      await clock.sleep(lookMs);
    }
  } finally {
    signal.removeEventListener('abort', interrupt);
    closeSync(log.fd);
    child.unref();
  }
}

/** The runner's own last error. */
function errorIn(lines: readonly string[], how: string, logFile: string): Error {
  const told = lines.findLast((line) => line.startsWith('error '));
  const [, code, message] = /^error ([A-Z_0-9]+): (.*)$/.exec(told ?? '') ?? [];
  const hint = lines.findLast((line) => line.startsWith('hint: '))?.slice('hint: '.length);
  if (code !== undefined && message !== undefined)
    return new ToldError(code, message, hint ?? `read ${logFile}`);
  return new SallyportError('START_FAILED', { message: `the runner ended: ${how}`, hint: `read ${logFile}` });
}

/** For appending and reading; begun anew when it has grown large. */
function openLog(file: string): { fd: number; from: number } {
  if ((statSync(file, { throwIfNoEntry: false })?.size ?? 0) > maxLogBytes) renameSync(file, `${file}.1`);
  const fd = openSync(file, 'a+', 0o600);
  return { fd, from: fstatSync(fd).size };
}

/** Whole lines of a file that grows. */
class LineReader {
  readonly #fd: number;
  #at: number;
  #rest = '';

  constructor(fd: number, from: number) {
    this.#fd = fd;
    this.#at = from;
  }

  read(): string[] {
    const buffer = Buffer.alloc(65_536);
    for (;;) {
      const count = readSync(this.#fd, buffer, 0, buffer.length, this.#at);
      if (count === 0) break;
      this.#at += count;
      this.#rest += buffer.toString('utf8', 0, count);
    }
    const lines = this.#rest.split('\n');
    this.#rest = lines.pop() ?? '';
    return lines;
  }
}
