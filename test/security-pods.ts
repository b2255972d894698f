/** Real security processes on a real MySQL, without Envoy; see pod-relay.ts for what stands in for it. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Health, HealthCheckResponse_ServingStatus as Serving } from '#gen/grpc/health/v1/health_pb.js';
import { hashPassword } from '#kernel/crypto/password.ts';
import { createGrpcClient } from '#kernel/rpc/grpc-client.ts';
import { waitFor } from '#kernel/time/wait-for.ts';
import type { DbGroup } from './db-group.ts';
import { whenProcessEnds } from './leave-nothing.ts';
import { type PodRelay, startPodRelay } from './pod-relay.ts';

export interface SecurityPod {
  readonly pod: string;
  readonly grpcSocket: string;
  readonly connectSocket: string;
  /** Starts the process; resolves when it is SERVING. `env` goes before its configuration file (docs/CONFIG.md). */
  start(env?: Readonly<Record<string, string>>): Promise<void>;
  /** SIGKILL, or SIGTERM and wait for the end. */
  end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void>;
  /** What it has logged so far. */
  log(): string;
  /** Of the process that was started last. */
  pid(): number | undefined;
}

export interface SecurityPods {
  readonly pods: readonly SecurityPod[];
  close(): Promise<void>;
}

export interface SecurityPodsOptions {
  readonly names: readonly string[];
  readonly users: readonly {
    readonly name: string;
    readonly password: string;
    readonly groups: readonly string[];
  }[];
  readonly policy: unknown;
  /** More of the configuration. */
  readonly config?: Readonly<Record<string, unknown>>;
}

/** A pod that must be there. */
export function podAt({ pods }: SecurityPods, n: number): SecurityPod {
  const found = pods[n];
  assert.ok(found);
  return found;
}

const root = new URL('..', import.meta.url).pathname;

/** Makes the pods' configuration in the group's folder; nothing is started yet. */
export async function securityPods(group: DbGroup, options: SecurityPodsOptions): Promise<SecurityPods> {
  const dir = join(group.dir, 'sec');
  mkdirSync(dir, { mode: 0o700 });
  const secret = (name: string, text: string): string => {
    const file = join(dir, name);
    writeFileSync(file, text, { mode: 0o600 });
    return file;
  };
  const seedFile = secret(
    'seed.json',
    JSON.stringify({
      users: await Promise.all(
        options.users.map(async ({ name, password, groups }) => ({
          name,
          groups,
          passwordHash: await hashPassword(password),
        })),
      ),
      policy: options.policy,
    }),
  );
  const shared = {
    rootKey: { from: 'file', path: secret('root.key', randomBytes(32).toString('base64')) },
    database: {
      passwordFile: secret('app.password', group.passwords.app),
      migratePasswordFile: secret('migrate.password', group.passwords.migrate),
    },
    seedFile,
    edgeUrls: ['https://edge.example'],
    drain: { noticeMs: 100, graceMs: 2000 },
    ...options.config,
  };
  const relays: PodRelay[] = [];
  const pods: SecurityPod[] = [];
  const grpcSocketOf = (pod: string): string => join(dir, pod, 'grpc.sock');
  for (const pod of options.names) {
    mkdirSync(join(dir, pod), { mode: 0o700 });
    const out = join(dir, pod, 'out.sock');
    relays.push(
      await startPodRelay(out, {
        identity: `spiffe://sallyport.internal/security/${pod}`,
        target: (name) => (options.names.includes(name) ? grpcSocketOf(name) : undefined),
      }),
    );
    const sockets = {
      grpc: grpcSocketOf(pod),
      connect: join(dir, pod, 'connect.sock'),
      out,
      dbRw: group.rwSocket,
      // One node only: the primary is the readable member.
      dbRo: group.nodes.length > 1 ? group.roSocket : group.rwSocket,
    };
    pods.push(securityPod(pod, join(dir, pod), { pod, sockets, ...shared }));
  }
  return {
    pods,
    close: async () => {
      await Promise.all(pods.map((pod) => pod.end('SIGKILL')));
      await Promise.all(relays.map((relay) => relay.close()));
    },
  };
}

function securityPod(
  pod: string,
  dir: string,
  config: { sockets: { grpc: string; connect: string } } & Record<string, unknown>,
): SecurityPod {
  const configFile = join(dir, 'config.json');
  const logFile = join(dir, 'process.log');
  writeFileSync(configFile, JSON.stringify(config), { mode: 0o600 });
  let child: ChildProcess | undefined;
  const { grpc, connect } = config.sockets;
  return {
    pod,
    grpcSocket: grpc,
    connectSocket: connect,
    start: async (env = {}) => {
      const log = openSync(logFile, 'a', 0o600);
      child = spawn(process.execPath, [join(root, 'services/security/main.ts'), '--config', configFile], {
        stdio: ['ignore', log, log],
        env: { PATH: process.env.PATH ?? '', ...env },
      });
      closeSync(log);
      const started = child;
      // However this process ends, the pod does not outlive it.
      const kill = (): void => void started.kill('SIGKILL');
      const forget = whenProcessEnds(kill);
      started.once('exit', forget);
      await serving(grpc, started, logFile);
    },
    end: async (signal) => {
      if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
      const exited = once(child, 'exit');
      child.kill(signal);
      await exited;
    },
    log: () => readFileSync(logFile, 'utf8'),
    pid: () => child?.pid,
  };
}

async function serving(socket: string, child: ChildProcess, logFile: string): Promise<void> {
  const health = createGrpcClient(Health, { address: `unix:${socket}`, defaultDeadlineMs: 1000 });
  try {
    await waitFor(
      async () => {
        if (child.exitCode !== null) return true;
        return (await health.check({})).status === Serving.SERVING;
      },
      { timeoutMs: 150_000, everyMs: 100, what: 'a security pod to serve' },
    );
  } catch (cause) {
    throw new Error(`the pod does not serve: ${readFileSync(logFile, 'utf8').slice(-3000)}`, { cause });
  } finally {
    health.close();
  }
  if (child.exitCode !== null)
    throw new Error(`the pod ended: ${readFileSync(logFile, 'utf8').slice(-3000)}`);
}
