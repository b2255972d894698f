import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Http2Server, type ServerHttp2Session } from 'node:http2';
import { createServer as createTcpServer, type Server, type Socket } from 'node:net';
import { connectNodeAdapter } from '@connectrpc/connect-node';
import { afterEach, describe, it } from 'mocha';
import { Device } from './device.ts';
import { enroll } from './enroll.ts';
import { memoryStore } from './enrolment-store.ts';
import { nodeEdges } from './node.ts';
import { FakeMesh } from './test/fake-mesh.ts';
import { answer, app, credentials, gate, platform, reasonIs } from './test/opened.ts';

/** An edge on a port, which can be killed as a process is: its connections break. */
class HttpEdge {
  readonly #server: Http2Server;
  readonly #connections = new Set<ServerHttp2Session>();

  constructor(mesh: FakeMesh) {
    this.#server = createServer(
      connectNodeAdapter({ routes: (router) => mesh.routes(router), ...mesh.onTheWire }),
    );
    this.#server.on('session', (connection) => {
      this.#connections.add(connection);
      connection.on('close', () => this.#connections.delete(connection));
    });
  }

  async listen(): Promise<string> {
    return `http://127.0.0.1:${await listen(this.#server)}`;
  }

  kill(): void {
    this.#server.close();
    for (const connection of this.#connections) connection.destroy();
  }
}

/** Below the range of ports that the system gives to outgoing connections. */
async function listen(server: Pick<Server, 'listen'> & NodeJS.EventEmitter): Promise<number> {
  for (let tries = 0; ; tries++) {
    const port = 20_000 + Math.floor(Math.random() * 12_000);
    server.listen(port, '127.0.0.1');
    try {
      await once(server, 'listening');
      return port;
    } catch (error) {
      if (tries > 20) throw error;
    }
  }
}

describe('nodeEdges, over HTTP/2', () => {
  const cleanup: (() => void)[] = [];
  afterEach(() => {
    for (const clean of cleanup.splice(0).reverse()) clean();
  });

  const start = async (mesh: FakeMesh) => {
    const edges = [new HttpEdge(mesh), new HttpEdge(mesh)] as const;
    cleanup.push(...edges.map((edge) => () => edge.kill()));
    const urls = await Promise.all(edges.map((edge) => edge.listen()));
    const options = { app, connect: nodeEdges(), store: memoryStore(), platform };
    await enroll(mesh.tier.activation(urls), { ...options, deviceName: 'phone' });
    const device = await Device.load(options);
    cleanup.push(() => device.close());
    return { edges, device, session: await device.open(credentials) };
  };

  it('enrols, opens, and echoes a long body over the stream', async () => {
    const mesh = await FakeMesh.start(async (_head, body) => ({ head: { status: 200, headers: [] }, body }));
    const { session } = await start(mesh);
    const sent = Uint8Array.from({ length: 2_000_000 }, (_, at) => at % 249);
    const response = await session.fetch('/', { method: 'PUT', body: sent });
    assert.ok(Buffer.from(await response.bytes()).equals(sent));
    await session.close();
  });

  it('goes on through the other edge when one is killed', async () => {
    const { passed: arrived, open: arrive } = gate();
    let calls = 0;
    const mesh = await FakeMesh.start(() => {
      if (++calls > 1) return Promise.resolve(answer(200, 'made it'));
      arrive();
      return new Promise(() => {});
    });
    const { edges, session } = await start(mesh);
    const fetching = session.fetch('/');
    await arrived;
    edges[0].kill();
    assert.equal(await (await fetching).text(), 'made it');
  });

  it('does not wait for an edge that takes a connection and says nothing', async () => {
    const mesh = await FakeMesh.start(() => Promise.resolve(answer(200, 'made it')));
    const edge = new HttpEdge(mesh);
    const open = new Set<Socket>();
    const silent = createTcpServer((socket) => open.add(socket.on('error', () => {})));
    cleanup.push(
      () => edge.kill(),
      () => {
        for (const socket of open) socket.destroy();
        silent.close();
      },
    );
    // It takes TLS, and does not answer.
    const urls = [`https://127.0.0.1:${await listen(silent)}`, await edge.listen()];
    const connect = nodeEdges({ connectTimeoutMs: 50 });
    // Which edge comes first is drawn.
    for (const random of [() => 0, () => 0.99]) {
      const options = { app, connect, store: memoryStore(), platform: { ...platform, random } };
      await enroll(mesh.tier.activation(urls), { ...options, deviceName: 'phone' });
    }
    assert.ok(open.size > 0);
  });

  it('reads the tier’s errors', async () => {
    const mesh = await FakeMesh.start(() => Promise.resolve(answer(200)));
    const { device } = await start(mesh);
    await assert.rejects(device.open({ ...credentials, password: 'no' }), reasonIs('CREDENTIALS_INVALID'));
    const session = await device.open(credentials);
    mesh.tier.sessions.clear();
    await assert.rejects(session.fetch('/'), reasonIs('SESSION_UNKNOWN'));
  });

  it('makes room when nobody answers', async () => {
    const mesh = await FakeMesh.start(() => Promise.resolve(answer(200)));
    const { edges, session } = await start(mesh);
    for (const edge of edges) edge.kill();
    await assert.rejects(session.fetch('/', { timeoutMs: 300 }), reasonIs('UNAVAILABLE'));
  });
});
