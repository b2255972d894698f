import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { type Folders, logDir, logFile, podRunDir, socketPath } from '#compose/topology/paths.ts';
import type { Pod } from '#compose/topology/types.ts';
import { SallyportError } from '#core/errors/error.ts';
import type { Clock } from '#kernel/time/clock.ts';
import { systemClock } from '#kernel/time/system-clock.ts';
import { waitFor } from '#kernel/time/wait-for.ts';
import { type AskOptions, askAdmin } from '../admin/ask.ts';
import { readStats } from '../admin/stats.ts';
import type { MeshModel } from '../model/schema.ts';
import { envoyArgs } from '../write/args.ts';

/** A sidecar that was started to be looked at. */
export interface RunningEnvoy {
  readonly pid: number;
  /** Path of its admin's socket. */
  readonly admin: string;
  /** What its admin answers, GET unless told otherwise. */
  ask(path: string, method?: AskOptions['method']): Promise<string>;
  /** Counters and gauges by name. */
  stats(): Promise<ReadonlyMap<string, number>>;
  /** Envoy's own log so far. */
  log(): string;
  /** SIGTERM, then SIGKILL after 3 s; resolves when it has ended. */
  stop(): Promise<void>;
}

export interface RunOptions {
  readonly clock?: Clock;
  readonly signal?: AbortSignal;
  /** Milliseconds until it has to be live; default 20000. */
  readonly timeoutMs?: number;
}

const hardAfterMs = 3000;

/**
 * Starts a pod's sidecar from the files in its folders; resolves once it is live with its listeners.
 * @throws START_FAILED with the end of Envoy's log when it ends instead; DEADLINE; the reason of `signal`. Then it has ended.
 */
export async function startEnvoy(
  bin: string,
  model: MeshModel,
  folders: Folders,
  pod: Pod,
  o: RunOptions = {},
): Promise<RunningEnvoy> {
  const clock = o.clock ?? systemClock;
  mkdirSync(logDir(folders, pod.name), { recursive: true });
  mkdirSync(podRunDir(folders, pod.name), { recursive: true, mode: 0o700 });
  const child = spawn(bin, envoyArgs(model, folders, pod), { stdio: 'ignore' });
  let failed: Error | undefined;
  child.once('error', (error) => {
    failed = error;
  });
  const admin = socketPath(folders, pod.name, 'admin');
  const file = logFile(folders, pod.name, 'envoy');
  const log = () => (existsSync(file) ? readFileSync(file, 'utf8') : '');
  const ended = () => child.exitCode !== null || child.signalCode !== null || failed !== undefined;
  const stop = () => end(child, clock);
  try {
    await waitFor(
      async () => {
        if (ended()) return true;
        const { numbers } = await readStats(admin);
        return numbers.get('server.state') === 0 && numbers.get('listener_manager.workers_started') === 1;
      },
      {
        timeoutMs: o.timeoutMs ?? 20_000,
        everyMs: 50,
        what: `Envoy of ${pod.name} to be live`,
        clock,
        ...(o.signal && { signal: o.signal }),
      },
    );
    if (failed !== undefined) throw failed;
    if (ended())
      throw new SallyportError('START_FAILED', {
        message: `Envoy of ${pod.name} ended with ${child.exitCode ?? child.signalCode}:\n${log().slice(-4000)}`,
        hint: 'its last words are above',
      });
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    pid: child.pid ?? 0,
    admin,
    ask: (path, method = 'GET') => askAdmin(admin, path, { method, timeoutMs: 5000 }),
    stats: async () => (await readStats(admin)).numbers,
    log,
    stop,
  };
}

async function end(child: ChildProcess, clock: Clock): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  const hard = clock.setTimer(hardAfterMs, () => child.kill('SIGKILL'));
  await ended;
  hard.cancel();
}
