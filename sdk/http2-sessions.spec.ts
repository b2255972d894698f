import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type ClientHttp2Session, type ClientHttp2Stream, createServer, type Http2Server } from 'node:http2';
import { type AddressInfo, connect, createServer as createRelay, type Server, type Socket } from 'node:net';
import { Code } from '@connectrpc/connect';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { EdgeSessions } from './http2-sessions.ts';

/** A relay whose way back can be stopped: what is behind it seems to hang. */
class Relay {
  readonly server: Server;
  readonly #answers: Socket[] = [];

  constructor(port: number) {
    this.server = createRelay((near) => {
      const far = connect(port, '127.0.0.1');
      this.#answers.push(far);
      near.pipe(far).pipe(near);
      for (const each of [near, far]) each.on('error', () => undefined);
      near.on('close', () => far.destroy());
    });
  }

  hang(): void {
    for (const each of this.#answers) each.pause();
  }

  goOn(): void {
    for (const each of this.#answers) each.resume();
  }
}

const portOf = (server: Http2Server | Server): number => (server.address() as AddressInfo).port;

describe('EdgeSessions', () => {
  let server: Http2Server;
  let relay: Relay;
  let sessions: EdgeSessions;

  beforeEach(async () => {
    // /open is answered with a head and no end.
    server = createServer((request, response) => {
      response.writeHead(200);
      if (request.url === '/open') response.write('here');
      else response.end('here');
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    relay = new Relay(portOf(server));
    relay.server.listen(0, '127.0.0.1');
    await once(relay.server, 'listening');
    const options = { intervalMs: 50, timeoutMs: 300 };
    sessions = new EdgeSessions(`http://127.0.0.1:${portOf(relay.server)}`, options, {});
  });
  afterEach(() => {
    sessions.abort();
    relay.server.close();
    server.close();
  });

  const request = async (path: string): Promise<ClientHttp2Stream> => {
    const stream = await sessions.request('GET', path, {}, {});
    stream.on('error', () => undefined);
    await once(stream, 'response');
    stream.resume();
    return stream;
  };
  const sessionOf = (stream: ClientHttp2Stream): ClientHttp2Session => stream.session as ClientHttp2Session;
  /** Without a listener for errors, as `once` would add. */
  const closed = (session: ClientHttp2Session): Promise<void> =>
    new Promise((resolve) => session.on('close', () => setImmediate(resolve)));

  it('survives the error of a connection that it has replaced already', async () => {
    const first = sessionOf(await request('/open'));
    const gone = closed(first);
    first.destroy(new Error('an error'));
    assert.notEqual(sessionOf(await request('/open')), first);
    // An uncaught exception would fail this test.
    await gone;
  });

  it('gives up a connection whose other end does not answer while a call is open', async () => {
    const session = sessionOf(await request('/open'));
    const gone = closed(session);
    relay.hang();
    await gone;
  });

  it('keeps one that answers, however quiet its calls are', async () => {
    const session = sessionOf(await request('/open'));
    await new Promise((resolve) => setTimeout(resolve, 600));
    assert.equal(session.destroyed, false);
  });

  it('finds out before a call that an idle one is dead, says so, and takes another the next time', async () => {
    const stream = await request('/');
    const first = sessionOf(stream);
    if (!stream.closed) await once(stream, 'close');
    relay.hang();
    await new Promise((resolve) => setTimeout(resolve, 100));
    await assert.rejects(sessions.request('GET', '/', {}, {}), { code: Code.Unavailable });
    assert.equal(first.destroyed, true);
    const second = await sessions.request('GET', '/', {}, {});
    second.on('error', () => undefined);
    assert.notEqual(sessionOf(second), first);
  });

  it('does not count time in which this process itself stood still', async () => {
    const session = sessionOf(await request('/open'));
    for (let times = 0; times < 5; times++) {
      await new Promise((resolve) => setTimeout(resolve, 60));
      const until = performance.now() + 400;
      while (performance.now() < until);
    }
    assert.equal(session.destroyed, false);
  });
});
