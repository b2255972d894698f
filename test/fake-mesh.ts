/**
 * Real sidecars around pretended processes: each process answers every call with what it was asked and who
 * it is. For tests of routing, stickiness, access and failover, which are Envoy's work alone.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer as createHttp1, type Server as Http1Server } from 'node:http';
import { createServer as createHttp2, type Http2Server, type ServerHttp2Session } from 'node:http2';
import { createServer as createTcp, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type EmbeddedOptions, embeddedTopology } from '#compose/topology/embedded.ts';
import { podRunDir, type SocketName, socketPath } from '#compose/topology/paths.ts';
import type { Pod, Topology } from '#compose/topology/types.ts';
import { renderPod } from '#envoy/build/render.ts';
import { type RunningEnvoy, startEnvoy } from '#envoy/check/run-envoy.ts';
import { parseMesh } from '#envoy/model/load.ts';
import { writePod } from '#envoy/write/write.ts';
import { openPki, type Pki } from '#kernel/pki/pki.ts';
import { waitFor } from '#kernel/time/wait-for.ts';
import { envoyBinary } from './envoy.ts';
import { portFinder } from './ports.ts';

/** What a pretended process saw of a call; travels back in the header `x-seen`. */
export interface Seen {
  readonly pod: string;
  readonly socket: SocketName;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

/** A pretended database pod: mysqld greets with its pod's name, the agent answers by `role`. */
export interface FakeDb {
  role: 'primary' | 'secondary' | 'down';
}

export interface FakeMesh {
  readonly topology: Topology;
  readonly pki: Pki;
  readonly envoys: ReadonlyMap<string, RunningEnvoy>;
  readonly db: ReadonlyMap<string, FakeDb>;
  /** Pods whose processes answer health checks with NOT_SERVING, and calls as ever. */
  readonly notServing: Set<string>;
  /** Ends a pod's process, connections included; its sidecar lives on. */
  stopProcess(pod: string): Promise<void>;
  startProcess(pod: string): Promise<void>;
  /** Renders every pod anew, without new calls for these pods. */
  drain(pods: ReadonlySet<string>): Promise<void>;
  /** Writes every sidecar's configuration again, with the certificates that there are now; gives `<pod>/<file>` of each new file. */
  rewrite(): Promise<readonly string[]>;
  socket(pod: string, name: SocketName): string;
  close(): Promise<void>;
}

const socketsOf: Readonly<Partial<Record<Pod['role'], readonly SocketName[]>>> = {
  security: ['grpc', 'connect'],
  proxy: ['grpc'],
  backend: ['http'],
  db: ['mysqld', 'agent'],
};

export async function startFakeMesh(
  sizes: Pick<EmbeddedOptions, 'security' | 'proxies' | 'edges' | 'db' | 'backends'>,
  mesh = '',
): Promise<FakeMesh> {
  const bin = await envoyBinary();
  const dir = mkdtempSync(join(tmpdir(), 'sp-mesh-'));
  const findPort = portFinder();
  const free = await Promise.all(Array.from({ length: 40 }, () => findPort()));
  const topology = embeddedTopology({
    workers: 0,
    ...sizes,
    stateDir: join(dir, 'state'),
    runDir: join(dir, 'run'),
    allocatePort: () => free.pop() ?? 0,
  });
  const model = parseMesh(mesh, 'test');
  const pki = await openPki(topology.stateDir);
  const envoys = new Map<string, RunningEnvoy>();
  const processes = new Map<string, Process>();
  const db = new Map<string, FakeDb>();
  const notServing = new Set<string>();

  const startProcess = async (name: string) => {
    const pod = topology.pods.find((p) => p.name === name);
    const process = new Process(notServing);
    processes.set(name, process);
    for (const socket of pod ? (socketsOf[pod.role] ?? []) : [])
      await process.listen(name, socket, socketPath(topology, name, socket), db.get(name));
  };
  let draining: ReadonlySet<string> = new Set();
  const rewrite = async () => {
    const files: string[] = [];
    for (const { name } of topology.pods) {
      const { changed } = await writePod(topology, renderPod(model, topology, name, { draining }));
      files.push(...changed.map((file) => `${name}/${file}`));
    }
    return files;
  };
  const close = async () => {
    await Promise.all([...envoys.values()].map((envoy) => envoy.stop()));
    await Promise.all([...processes.values()].map((process) => process.close()));
    rmSync(dir, { recursive: true, force: true });
  };
  try {
    for (const pod of topology.pods) {
      await pki.ensurePod(pod.name, pod.role, { ips: [pod.address] });
      if (pod.role === 'edge') await pki.ensurePublic(pod.name, { ips: [pod.address] });
      if (pod.role === 'db') db.set(pod.name, { role: pod.name === 'db-0' ? 'primary' : 'secondary' });
      mkdirSync(podRunDir(topology, pod.name), { recursive: true });
      await startProcess(pod.name);
      await writePod(topology, renderPod(model, topology, pod.name));
    }
    const started = await Promise.allSettled(
      topology.pods.map(async (pod) => envoys.set(pod.name, await startEnvoy(bin, model, topology, pod))),
    );
    for (const result of started) if (result.status === 'rejected') throw result.reason;
    await Promise.all([...envoys.values()].map(seesEverybody));
  } catch (e) {
    await close();
    throw e;
  }
  return {
    topology,
    pki,
    envoys,
    db,
    notServing,
    startProcess,
    stopProcess: async (pod) => processes.get(pod)?.close(),
    drain: async (pods) => {
      draining = pods;
      await rewrite();
    },
    rewrite,
    socket: (pod, name) => socketPath(topology, pod, name),
    close,
  };
}

/** Sidecars start all at once, so the first health check of one another may have been too early. */
const seesEverybody = (envoy: RunningEnvoy) =>
  waitFor(
    async () => {
      const stats = await envoy.stats();
      const of = (cluster: string, what: string) => stats.get(`cluster.${cluster}.membership_${what}`);
      return ['security', 'proxy'].every((c) => of(c, 'healthy') === of(c, 'total'));
    },
    { timeoutMs: 15_000, everyMs: 50, what: 'a sidecar to find all pods healthy' },
  );

/** The servers of one pretended process, and their connections, so that it can be ended as by a kill. */
class Process {
  readonly #servers: (Http2Server | Http1Server | Server)[] = [];
  readonly #sockets = new Set<Socket>();
  readonly #sessions = new Set<ServerHttp2Session>();
  readonly #notServing: ReadonlySet<string>;

  constructor(notServing: ReadonlySet<string>) {
    this.#notServing = notServing;
  }

  async listen(pod: string, socket: SocketName, path: string, db: FakeDb | undefined): Promise<void> {
    const server =
      socket === 'mysqld'
        ? createTcp((c) => void c.write(`${pod}\n`))
        : socket === 'agent'
          ? createHttp1((request, response) => {
              const ok = db?.role === 'primary' || (db?.role === 'secondary' && request.url === '/readable');
              if (db?.role === 'primary') response.setHeader('x-envoy-degraded', 'true');
              response.writeHead(ok ? 200 : 503, { 'x-seen': seen(pod, socket, request.headers) }).end();
            })
          : socket === 'http'
            ? createHttp1((request, response) => {
                request.resume();
                if (request.url === '/break') request.socket.destroy();
                // It may not pretend to be a sidecar.
                const forged = { 'x-sallyport-unprocessed': '1', 'x-sallyport-local-reply': '1' };
                const status = request.url === '/busy' ? 503 : 200;
                response.writeHead(status, { 'x-seen': seen(pod, socket, request.headers), ...forged }).end();
              })
            : this.#grpc(pod, socket);
    server.on('connection', (c: Socket) => {
      this.#sockets.add(c);
      c.on('error', () => c.destroy()).on('close', () => this.#sockets.delete(c));
    });
    this.#servers.push(server);
    rmSync(path, { force: true });
    await new Promise<void>((resolve) => server.listen(path, resolve));
  }

  #grpc(pod: string, socket: SocketName): Http2Server {
    const server = createHttp2();
    server.on('session', (session) => {
      this.#sessions.add(session);
      session.on('error', () => session.destroy()).on('close', () => this.#sessions.delete(session));
    });
    server.on('stream', (stream, headers) => {
      stream.on('error', () => stream.destroy());
      stream.resume();
      stream.respond(
        { ':status': 200, 'content-type': 'application/grpc', 'x-seen': seen(pod, socket, headers) },
        { waitForTrailers: true },
      );
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
      // Watch stays open; everything else answers a message with field 1 = 1, which is SERVING for Health; 2 is NOT_SERVING.
      if (headers[':path']?.endsWith('/Watch')) return;
      const down = headers[':path'] === '/grpc.health.v1.Health/Check' && this.#notServing.has(pod);
      stream.end(Buffer.from([0, 0, 0, 0, 2, 8, down ? 2 : 1]));
    });
    return server;
  }

  async close(): Promise<void> {
    const closed = this.#servers.map((server) => new Promise((resolve) => server.close(resolve)));
    for (const session of this.#sessions) session.destroy();
    for (const socket of this.#sockets) socket.destroy();
    await Promise.all(closed);
  }
}

const seen = (pod: string, socket: SocketName, headers: Seen['headers']): string =>
  JSON.stringify({ pod, socket, headers: { ...headers } } satisfies Seen);
