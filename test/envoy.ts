import { type ChildProcess, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { mkdirSync, readFileSync } from 'node:fs';
import { request } from 'node:http';
import { createServer } from 'node:net';
import { findEnvoy } from '#compose/parts/envoy.ts';
import { type Folders, logDir, logFile, podRunDir, socketPath } from '#compose/topology/paths.ts';
import type { Pod } from '#compose/topology/types.ts';
import type { MeshModel } from '#envoy/model/schema.ts';
import { envoyArgs } from '#envoy/write/args.ts';
import { waitFor } from '#kernel/time/wait-for.ts';

/** A sidecar that a test started. */
export interface RunningEnvoy {
  readonly pid: number;
  /** The answer of Envoy's admin, GET unless told otherwise. */
  admin(path: string, method?: 'GET' | 'POST'): Promise<string>;
  /** Counters and gauges by name. */
  stats(): Promise<ReadonlyMap<string, number>>;
  log(): string;
  /** SIGTERM, then SIGKILL after 3 s; resolves when it has ended. */
  stop(): Promise<void>;
}

/** Path of a real Envoy, found or fetched. */
export const envoyBinary = async (): Promise<string> =>
  (await findEnvoy({ env: process.env, progress: () => {} })).bin;

/** Starts a pod's sidecar from the files in its folders; resolves once it is live with all of its listeners. */
export async function startEnvoy(
  bin: string,
  model: MeshModel,
  folders: Folders,
  pod: Pod,
): Promise<RunningEnvoy> {
  mkdirSync(logDir(folders, pod.name), { recursive: true });
  mkdirSync(podRunDir(folders, pod.name), { recursive: true, mode: 0o700 });
  const child = spawn(bin, envoyArgs(model, folders, pod), { stdio: 'ignore' });
  const socket = socketPath(folders, pod.name, 'admin');
  const envoy: RunningEnvoy = {
    pid: child.pid ?? 0,
    admin: (path, method = 'GET') => ask(socket, path, method),
    stats: async () => parseStats(await ask(socket, '/stats', 'GET')),
    log: () => readFileSync(logFile(folders, pod.name, 'envoy'), 'utf8'),
    stop: () => end(child),
  };
  try {
    await waitFor(
      async () => {
        if (child.exitCode !== null)
          throw new Error(`Envoy of ${pod.name} ended with ${child.exitCode}:\n${envoy.log()}`);
        const stats = await envoy.stats().catch(() => undefined);
        return stats?.get('server.state') === 0 && stats.get('listener_manager.workers_started') === 1;
      },
      { timeoutMs: 20_000, everyMs: 50, what: `Envoy of ${pod.name} to be live` },
    );
  } catch (e) {
    await end(child);
    throw e;
  }
  return envoy;
}

/** The answer of Envoy's admin at a socket. */
export function ask(socketPath: string, path: string, method: 'GET' | 'POST'): Promise<string> {
  return new Promise((resolve, reject) => {
    const call = request({ socketPath, path, method, agent: false, timeout: 5000 }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('end', () => resolve(text));
      response.on('error', reject);
    });
    call.on('timeout', () => call.destroy(new Error(`${path}: no answer in 5 s`)));
    call.on('error', reject);
    call.end();
  });
}

function parseStats(text: string): Map<string, number> {
  const stats = new Map<string, number>();
  for (const line of text.split('\n')) {
    const at = line.lastIndexOf(': ');
    const value = Number(line.slice(at + 2));
    if (at > 0 && !Number.isNaN(value)) stats.set(line.slice(0, at), value);
  }
  return stats;
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  const hard = setTimeout(() => child.kill('SIGKILL'), 3000);
  await ended;
  clearTimeout(hard);
}

/** Ports from 20000 to 31999 that nobody holds at this moment, over TCP and UDP, never one twice. */
export function portFinder(random: () => number = Math.random): (address?: string) => Promise<number> {
  const given = new Set<number>();
  return async (address = '127.0.0.1') => {
    for (let tries = 0; tries < 200; tries++) {
      const port = 20_000 + Math.floor(random() * 12_000);
      if (given.has(port)) continue;
      given.add(port);
      if ((await freeTcp(port, address)) && (await freeUdp(port, address))) return port;
    }
    throw new Error('no free port from 20000 to 31999');
  };
}

const freeTcp = (port: number, address: string) =>
  new Promise<boolean>((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, address, () => server.close(() => resolve(true)));
  });

const freeUdp = (port: number, address: string) =>
  new Promise<boolean>((resolve) => {
    const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
    socket.once('error', () => {
      socket.close();
      resolve(false);
    });
    socket.bind(port, address, () => socket.close(() => resolve(true)));
  });
