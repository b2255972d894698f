import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { FromChild, ToChild } from './child.ts';
import { pinnedTo } from './cores.ts';

export interface BenchProcess {
  readonly pid: number;
  /** Sends a message and waits for its answer. @throws what the child throws, or that it has ended */
  ask(value: unknown): Promise<unknown>;
  /** SIGKILL, and waits until it has ended. */
  stop(): Promise<void>;
}

/** Milliseconds for any one answer; a slice lasts seconds. */
const defaultAnswerMs = 120_000;
const root = new URL('../..', import.meta.url).pathname;

/**
 * Starts a script of this folder on one core and gives it its arguments, by a message: what stands in argv,
 * everybody on the machine can read. Resolves when it is ready.
 */
export function startProcess(
  script: string,
  core: number,
  args: unknown,
  nodeArgs: readonly string[] = [],
): Promise<BenchProcess> {
  return startScript(
    script,
    pinnedTo(core, [process.execPath, ...nodeArgs, join(root, 'bench', script)]),
    args,
  );
}

/**
 * The same for any command that runs a script which calls `serveBench`. `script` is what errors name it by. With a
 * session of its own the system schedules it beside the others' sessions, not within that of the bench.
 */
export async function startScript(
  script: string,
  [program, ...rest]: readonly [string, ...string[]],
  args: unknown,
  { answerMs = defaultAnswerMs, ownSession = false } = {},
): Promise<BenchProcess> {
  const child = spawn(program, rest, { stdio: ['ignore', 2, 2, 'ipc'], cwd: root, detached: ownSession });
  const started = benchProcess(child, script, answerMs);
  try {
    await started.ask(args);
  } catch (error) {
    await started.stop();
    throw error;
  }
  return started;
}

function benchProcess(child: ChildProcess, script: string, answerMs: number): BenchProcess {
  const waiting = new Map<number, PromiseWithResolvers<unknown>>();
  let ids = 0;
  const failAll = (why: string): void => {
    for (const each of waiting.values()) each.reject(new Error(`${script}: ${why}`));
    waiting.clear();
  };
  child.on('message', (message: FromChild) => {
    const asked = waiting.get(message.id);
    waiting.delete(message.id);
    if ('error' in message) asked?.reject(new Error(`${script}: ${message.error}`));
    else asked?.resolve(message.value);
  });
  child.once('exit', (code, signal) => failAll(`it ended with ${signal ?? code}`));
  child.once('error', (error) => failAll(error.message));
  return {
    pid: child.pid ?? 0,
    ask: async (value) => {
      if (child.exitCode !== null || child.signalCode !== null) throw new Error(`${script} has ended`);
      const asked = Promise.withResolvers<unknown>();
      const id = ++ids;
      waiting.set(id, asked);
      const bound = setTimeout(
        () => asked.reject(new Error(`${script}: no answer in ${answerMs / 1000} s`)),
        answerMs,
      );
      child.send({ id, value } satisfies ToChild, (error) => error && asked.reject(error));
      try {
        return await asked.promise;
      } finally {
        clearTimeout(bound);
        waiting.delete(id);
      }
    },
    stop: async () => {
      if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
    },
  };
}

/** Whether PATH has this program. */
export function isOnPath(program: string): boolean {
  return (process.env.PATH ?? '')
    .split(delimiter)
    .some((dir) => statSync(join(dir, program), { throwIfNoEntry: false })?.isFile());
}
