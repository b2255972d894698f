import { spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import { PartsError } from './errors.ts';
import type { Env } from './options.ts';

/** What is kept of each output stream, in characters: its end, where tools say what went wrong. */
const KEPT = 1 << 20;
/** How long a child that was asked to end may take to clean up before it is killed, in ms. */
const GRACE_MS = 10_000;

export interface RunOptions {
  readonly env: Env;
  /** Upper bound of the whole run in ms. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  /** Folder to run in; default: this process's. */
  readonly cwd?: string | undefined;
  /** Gets every line of standard output as it comes. */
  readonly onLine?: ((line: string) => void) | undefined;
}

export interface RunResult {
  /** Exit code 0; false also if it could not be started, was killed, or ran out of time. */
  readonly ok: boolean;
  readonly stdout: string;
  readonly stderr: string;
  /** How it ended, for people: `exit code 1`, `killed by SIGSEGV`, `not ended after 20 s`. */
  readonly ending: string;
}

/** Runs a program to its end, bounded in time and in kept output. Rejects only with ABORTED. */
export async function run(file: string, args: readonly string[], o: RunOptions): Promise<RunResult> {
  throwIfAborted(o.signal);
  const child = spawn(file, args, { cwd: o.cwd, env: { ...o.env }, stdio: ['ignore', 'pipe', 'pipe'] });
  const stdout = collect(child.stdout, o.onLine);
  const stderr = collect(child.stderr);

  let timedOut = false;
  let killer: NodeJS.Timeout | undefined;
  const end = () => {
    child.kill('SIGTERM');
    killer ??= setTimeout(() => {
      child.kill('SIGKILL');
      // A grandchild may hold the pipes open for ever; nobody waits for it.
      child.stdout.destroy();
      child.stderr.destroy();
    }, GRACE_MS);
  };
  const timer = setTimeout(() => {
    timedOut = true;
    end();
  }, o.timeoutMs);
  o.signal?.addEventListener('abort', end, { once: true });

  const ending = await new Promise<string>((resolve) => {
    child.once('error', (e) => resolve(`could not be started: ${e.message}`));
    child.once('close', (code, signal) =>
      resolve(code === null ? `killed by ${signal}` : `exit code ${code}`),
    );
  });
  clearTimeout(timer);
  clearTimeout(killer);
  o.signal?.removeEventListener('abort', end);
  throwIfAborted(o.signal);

  return {
    ok: ending === 'exit code 0' && !timedOut,
    stdout: stdout(),
    stderr: stderr(),
    ending: timedOut ? `not ended after ${Math.round(o.timeoutMs / 1000)} s` : ending,
  };
}

/** The last `lines` lines with content of a tool's output, for an error message. */
export function tail(output: string, lines = 4): string {
  const full = output.split('\n').filter((line) => line.trim() !== '');
  return redact(full.slice(-lines).join('\n'));
}

/** Takes passwords out of URLs: package indexes and mirrors are often configured with one. */
export function redact(text: string): string {
  return text.replace(/\/\/[^/@\s]+@/g, '//***@');
}

/** Rejects with ABORTED once the caller has given up. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted !== true) return;
  throw new PartsError('ABORTED', 'Getting the parts was interrupted.', {
    hint: 'Start again: what was complete is kept, what was half done has been removed.',
    cause: signal.reason,
  });
}

/** Hands on whole lines as they come; the answer is what has been kept by the time it is called. */
function collect(stream: Readable, onLine?: (line: string) => void): () => string {
  let kept = '';
  let line = '';
  stream.setEncoding('utf8');
  stream.on('data', (chunk: string) => {
    kept = `${kept}${chunk}`.slice(-KEPT);
    if (onLine === undefined) return;
    const lines = `${line}${chunk}`.split('\n');
    line = (lines.pop() ?? '').slice(-KEPT);
    for (const whole of lines) onLine(redact(whole));
  });
  return () => kept;
}
