import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { SallyportError } from '#core/errors/error.ts';
import { waitFor } from '#kernel/time/wait-for.ts';
import { type AnswerSink, type BackendRequest, Backends } from './backends.ts';
import { WorkScope } from './work-scope.ts';

const MiB = 2 ** 20;
const told = (reason: string, maybeExecuted: boolean) => (error: unknown) =>
  error instanceof SallyportError &&
  error.reason === reason &&
  error.metadata.maybeExecuted === String(maybeExecuted);

async function* lazily(...texts: string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield Buffer.from(text);
}

describe('backends', () => {
  let dir: string;
  let server: Server;
  let backends: Backends;
  let handle: (request: IncomingMessage, response: ServerResponse) => void;
  let seen: IncomingMessage[];
  /** The status of the answer and all of its body. */
  const ask = async (request: Partial<BackendRequest> = {}, data?: AnswerSink['data']) => {
    let status = 0;
    const pieces: Uint8Array[] = [];
    await backends.request(
      {
        backend: 'intranet',
        method: 'POST',
        authority: 'a.example',
        path: '/x?y',
        headers: {},
        body: undefined,
        scope: new WorkScope(),
        ...request,
      },
      {
        head: (got) => {
          status = got;
        },
        data: (piece) => {
          pieces.push(piece);
          return data?.(piece);
        },
      },
    );
    return { status, text: Buffer.concat(pieces).toString() };
  };
  const idle = () => waitFor(() => backends.active === 0, { timeoutMs: 5000, everyMs: 5, what: 'the end' });

  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), 'backends-'));
    seen = [];
    handle = (request, response) => void request.pipe(response);
    server = createServer((request, response) => {
      seen.push(request);
      handle(request, response);
    });
    await new Promise<void>((resolve) => server.listen(join(dir, 's'), resolve));
    backends = new Backends(join(dir, 's'), {
      connections: 2,
      headersTimeoutMs: 300,
      bodyTimeoutMs: 300,
    });
  });
  afterEach(async () => {
    await backends.close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    rmSync(dir, { recursive: true, force: true });
  });

  it('are addressed by cluster; bodies go both ways', async () => {
    const answer = await ask({ body: lazily('one ', 'two'), headers: { 'x-a': ['1', '2'] } });
    assert.deepEqual(answer, { status: 200, text: 'one two' });
    const [request] = seen;
    assert.equal(request?.url, '/x?y');
    assert.equal(request?.headers.host, 'intranet');
    assert.equal(request?.headers['x-sallyport-authority'], 'a.example');
    assert.equal(request?.headers['x-a'], '1, 2');
    await idle();
  });

  it('that are not there have not acted', async () => {
    const away = new Backends(join(dir, 'nobody'), {
      connections: 1,
      headersTimeoutMs: 300,
      bodyTimeoutMs: 300,
    });
    const request = { backend: 'b', method: 'GET', authority: 'a', path: '/', headers: {}, body: undefined };
    const sink = { head: () => assert.fail('no answer'), data: () => undefined };
    const asking = away.request({ ...request, scope: new WorkScope() }, sink);
    await assert.rejects(asking, told('BACKEND_UNAVAILABLE', false));
    assert.equal(away.active, 0);
    await away.close();
    handle = (_, response) => response.writeHead(503, { 'x-sallyport-unprocessed': '1' }).end('no');
    await assert.rejects(ask(), told('BACKEND_UNAVAILABLE', false));
    await idle();
  });

  it('that break off, or are slow, may have acted', async () => {
    handle = (request) => request.socket.destroy();
    await assert.rejects(ask(), told('BACKEND_FAILED', true));
    handle = () => {};
    await assert.rejects(ask(), told('BACKEND_FAILED', true));
    handle = (_, response) => response.writeHead(504, { 'x-sallyport-local-reply': '1' }).end('timeout');
    await assert.rejects(ask(), told('BACKEND_FAILED', true));
    for (const end of [() => {}, (response: ServerResponse) => response.destroy()]) {
      handle = (_, response) => {
        response.writeHead(200, { 'content-length': '9' });
        response.write('half', () => end(response));
      };
      const pieces: string[] = [];
      const asking = ask({}, (piece) => void pieces.push(String(piece)));
      await assert.rejects(asking, told('BACKEND_FAILED', true));
      assert.deepEqual(pieces, ['half']);
    }
    await idle();
  });

  it('answer before they have read everything', async () => {
    handle = (_, response) => response.writeHead(413).end('no');
    const never = Promise.withResolvers<never>();
    never.promise.catch(() => undefined);
    const endless = (async function* () {
      yield Buffer.from('some');
      await never.promise;
    })();
    assert.deepEqual(await ask({ body: endless }), { status: 413, text: 'no' });
    await idle();
    never.reject(new Error('over'));
  });

  it('are told when the body, or the caller, ends', async () => {
    const failing = (async function* () {
      yield Buffer.from('some');
      throw new SallyportError('TOO_LARGE');
    })();
    await assert.rejects(ask({ body: failing }), { reason: 'TOO_LARGE' });
    handle = () => {};
    const scope = new WorkScope();
    const asking = assert.rejects(ask({ scope }), { reason: 'SESSION_REVOKED' });
    await waitFor(() => seen.length === 2, { timeoutMs: 5000, everyMs: 5, what: 'the request' });
    scope.giveUp(new SallyportError('SESSION_REVOKED'));
    await asking;
    handle = (_, response) => response.writeHead(200).write('half');
    const later = new WorkScope();
    const half = ask({ scope: later }, () => void later.giveUp(new SallyportError('LEASE_LOST')));
    await assert.rejects(half, { reason: 'LEASE_LOST' });
    const before = new WorkScope();
    before.giveUp(new SallyportError('CANCELLED'));
    await assert.rejects(ask({ scope: before }), { reason: 'CANCELLED' });
    await idle();
  });

  it('are given up by who cannot take their answer', async () => {
    handle = (_, response) => response.writeHead(200).write('more to come');
    const throwing = () => {
      throw new SallyportError('LEASE_LOST');
    };
    await assert.rejects(ask({}, throwing), { reason: 'LEASE_LOST' });
    const failing = () => Promise.reject(new SallyportError('DEADLINE'));
    await assert.rejects(ask({}, failing), { reason: 'DEADLINE' });
    await idle();
  });

  it('wait while the answer is not taken, and its end waits with it', async () => {
    let sent = 0;
    handle = (_, response) => {
      response.writeHead(200, { 'content-length': 64 * MiB });
      const more = (): void => {
        while (sent < 64) {
          sent += 1;
          if (!response.write(Buffer.alloc(MiB))) break;
        }
        if (sent < 64) response.once('drain', more);
        else response.end();
      };
      more();
    };
    let taken = 0;
    let room = Promise.withResolvers<void>();
    let over = false;
    const asking = ask({}, (piece) => {
      taken += piece.length;
      return room.promise;
    }).then(() => {
      over = true;
    });
    await waitFor(() => taken > 0, { timeoutMs: 5000, everyMs: 5, what: 'a piece' });
    let last = -1;
    await waitFor(
      () => {
        const still = last === sent;
        last = sent;
        return still;
      },
      { timeoutMs: 5000, everyMs: 50, what: 'the backend to stand still' },
    );
    assert.ok(sent < 64, `${sent} MiB were sent for ${taken} bytes that were taken`);
    assert.equal(over, false);
    const before = room;
    room = Promise.withResolvers();
    room.resolve();
    before.resolve();
    await asking;
    assert.equal(taken, 64 * MiB);
    await idle();
  });

  it('take so many at a time, answers that nobody takes included', async () => {
    handle = (_, response) => response.writeHead(200).write('more to come');
    const never = new Promise<void>(() => {});
    const scopes = [new WorkScope(), new WorkScope()];
    const asking = scopes.map((scope) =>
      assert.rejects(
        ask({ scope }, () => never),
        { reason: 'CANCELLED' },
      ),
    );
    await assert.rejects(ask(), told('OVERLOADED', false));
    scopes[0]?.giveUp(new SallyportError('CANCELLED'));
    await waitFor(() => backends.active === 1, { timeoutMs: 5000, everyMs: 5, what: 'room' });
    handle = (_, response) => response.end('room');
    assert.equal((await ask()).text, 'room');
    scopes[1]?.giveUp(new SallyportError('CANCELLED'));
    await Promise.all(asking);
    await idle();
  });

  it('get no request that is none', async () => {
    const wrong = { 'content-length': '5' };
    await assert.rejects(ask({ headers: wrong, body: Buffer.from('four') }), told('REQUEST_INVALID', true));
    await assert.rejects(ask({ headers: wrong, body: lazily('four') }), told('REQUEST_INVALID', true));
    await assert.rejects(ask({ headers: { 'bad name': 'x' } }), told('REQUEST_INVALID', false));
    await idle();
  });
});
