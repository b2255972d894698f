/** A real worker pod on a real MySQL, without Envoy; a relay stands in for its sidecar. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { socketStatus } from '#compose/runner/socket-status.ts';
import { waitFor } from '#kernel/time/wait-for.ts';
import type { DbGroup } from '../db-group.ts';
import { whenProcessEnds } from '../leave-nothing.ts';
import { startPodRelay } from '../pod-relay.ts';
import type { SecurityPods } from '../security-pods.ts';

export interface WorkerProcess {
  /** Resolves when it claims tasks. */
  start(): Promise<void>;
  end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void>;
  /** Ends it, and what stands in for its sidecar. */
  close(): Promise<void>;
}

const main = new URL('../../services/tasks/main.ts', import.meta.url).pathname;

export async function workerProcess(
  pod: string,
  on: { readonly group: DbGroup; readonly tier: SecurityPods },
  config: Readonly<Record<string, unknown>>,
): Promise<WorkerProcess> {
  const dir = join(on.group.dir, pod);
  mkdirSync(dir, { mode: 0o700 });
  const passwordFile = join(dir, 'password');
  writeFileSync(passwordFile, on.group.passwords.app, { mode: 0o600 });
  const out = join(dir, 'out.sock');
  const figures = join(dir, 'figures.sock');
  const relay = await startPodRelay(out, {
    identity: `spiffe://sallyport.internal/worker/${pod}`,
    target: (name) => on.tier.pods.find((each) => each.pod === name)?.grpcSocket,
  });
  const file = join(dir, 'config.json');
  writeFileSync(
    file,
    JSON.stringify({
      pod,
      sockets: { out, dbRw: on.group.rwSocket, figures },
      database: { passwordFile },
      securityPods: on.tier.pods.map((each) => each.pod),
      ...config,
    }),
  );
  const logFile = join(dir, 'process.log');
  let child: ChildProcess | undefined;
  const end = async (signal: 'SIGKILL' | 'SIGTERM'): Promise<void> => {
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill(signal);
    await exited;
  };
  return {
    start: async () => {
      const log = openSync(logFile, 'a', 0o600);
      const started = spawn(process.execPath, [main, '--config', file], {
        stdio: ['ignore', log, log],
        env: { PATH: process.env.PATH ?? '' },
      });
      closeSync(log);
      child = started;
      // However this process ends, the worker does not outlive it.
      const kill = (): void => void started.kill('SIGKILL');
      const forget = whenProcessEnds(kill);
      started.once('exit', forget);
      const claims = async (): Promise<boolean> => (await socketStatus(figures, '/metrics', 1000)) === 200;
      await waitFor(async () => started.exitCode !== null || (await claims()), {
        timeoutMs: 150_000,
        what: `${pod} to claim tasks`,
      });
      if (started.exitCode !== null)
        throw new Error(`${pod} ended: ${readFileSync(logFile, 'utf8').slice(-3000)}`);
    },
    end,
    close: async () => {
      await end('SIGKILL');
      await relay.close();
    },
  };
}
