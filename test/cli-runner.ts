import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { readRunState } from '#compose/runner/run-file.ts';
import { waitFor } from '#kernel/time/wait-for.ts';
import { runCli } from '#services/cli/run-cli.ts';
import { testContext } from '#services/cli/test-context.ts';

/** Milliseconds for a mesh to come up on a machine that does other things, too. */
const startMs = 150_000;

export interface CliRunner {
  readonly pid: number;
  /** Standard output and standard error. */
  said(): string;
  /** Resolves when the mesh is up. */
  up(): Promise<void>;
  signal(signal: NodeJS.Signals): void;
  /** Resolves, once it has ended, to its exit code, or the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals>;
}

const main = join(import.meta.dirname, '..', 'services', 'cli', 'main.ts');

/** `sallyport up --foreground`, in a process of its own. */
export function cliRunner(stateDir: string, ...options: string[]): CliRunner {
  const child = spawnCli('up', '--foreground', '--durability', 'relaxed', '--state', stateDir, ...options);
  const said = collect(child);
  const { pid } = child;
  if (pid === undefined) throw new Error('the CLI could not be started');
  return {
    pid,
    said,
    ended: ended(child),
    signal: (signal) => void child.kill(signal),
    up: async () => {
      await waitFor(
        () => {
          const state = readRunState(stateDir);
          return (
            child.exitCode !== null ||
            child.signalCode !== null ||
            (state?.state === 'up' && state.runner.pid === pid)
          );
        },
        { timeoutMs: startMs, what: `the mesh to come up; it said: ${said()}` },
      );
      if (child.exitCode !== null || child.signalCode !== null)
        throw new Error(`the runner ended: ${said()}`);
    },
  };
}

/** Runs a command of the CLI to its end. */
export async function cli(
  ...args: string[]
): Promise<{ readonly code: number | NodeJS.Signals; readonly said: string }> {
  const child = spawnCli(...args);
  const said = collect(child);
  return { code: await ended(child), said: said() };
}

/** The same in this process, at the mesh of that folder. */
export async function cliAt(
  stateDir: string,
  ...args: string[]
): Promise<{ readonly code: number; readonly out: string; readonly err: string }> {
  const { context, written } = testContext({ env: { SALLYPORT_STATE: stateDir }, cwd: stateDir });
  return { code: await runCli(args, context), ...written };
}

/** The same with --json, at a command that must do it: the object of its last line, of which `T` is looked at. */
export async function cliJson<T>(stateDir: string, ...args: string[]): Promise<T> {
  const split = args.indexOf('--') < 0 ? args.length : args.indexOf('--');
  const { code, out, err } = await cliAt(stateDir, ...args.slice(0, split), '--json', ...args.slice(split));
  const told = JSON.parse(out.trimEnd().split('\n').at(-1) ?? '') as T & { ok: boolean };
  assert.deepEqual([told.ok, code], [true, 0], `${args.join(' ')}: ${err}`);
  return told;
}

function spawnCli(...args: string[]): ChildProcess {
  return spawn(process.execPath, [main, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
}

function ended(child: ChildProcess): Promise<number | NodeJS.Signals> {
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve(signal ?? code ?? -1));
  });
}

/** The last 64 KiB of what it prints. */
function collect(child: ChildProcess): () => string {
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8');
    stream?.on('data', (chunk: string) => {
      text = (text + chunk).slice(-65_536);
    });
  }
  return () => text;
}
