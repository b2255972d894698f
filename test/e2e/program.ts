import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Env } from '#compose/parts/options.ts';

/** A program that runs until it is told to end. */
export interface Program {
  readonly pid: number;
  readonly ended: () => boolean;
  /** The end of what it has said. */
  readonly said: () => string;
  /** Ends it, hard after 5 s. Harmless when repeated. */
  readonly end: () => Promise<void>;
}

/**
 * Starts a program. It is killed when this process ends.
 * @param pipes more pipes that it gets, as descriptors 3 and up
 */
export function startProgram(
  file: string,
  args: readonly string[],
  o: { readonly env: Env; readonly pipes?: number },
): Program {
  const pipes = Array.from({ length: o.pipes ?? 0 }, () => 'pipe' as const);
  const child: ChildProcess = spawn(file, args, {
    env: { ...o.env },
    stdio: ['ignore', 'pipe', 'pipe', ...pipes],
  });
  let said = '';
  const listen = (chunk: string): void => {
    said = (said + chunk).slice(-4000);
  };
  child.stdout?.setEncoding('utf8').on('data', listen);
  child.stderr?.setEncoding('utf8').on('data', listen);
  let failed = false;
  child.on('error', (error) => {
    failed = true;
    listen(error.message);
  });
  const ended = (): boolean => failed || child.exitCode !== null || child.signalCode !== null;
  const kill = (): boolean => child.kill('SIGKILL');
  process.once('exit', kill);
  return {
    pid: child.pid ?? 0,
    ended,
    said: () => said,
    end: async () => {
      process.off('exit', kill);
      if (ended()) return;
      const exited = once(child, 'exit');
      child.kill('SIGTERM');
      const hard = setTimeout(kill, 5000);
      await exited;
      clearTimeout(hard);
    },
  };
}
