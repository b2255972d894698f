import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { collectBody } from '#core/channel/multiplex/incoming-body.ts';
import { SallyportError } from '#core/errors/error.ts';
import { waitFor } from '#kernel/time/wait-for.ts';
import { type BackendRequest, Backends } from './backends.ts';

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
  const signal = new AbortController().signal;
  const ask = (request: Partial<BackendRequest> = {}) =>
    backends.request({
      backend: 'intranet',
      method: 'POST',
      authority: 'a.example',
      path: '/x?y',
      headers: {},
      body: undefined,
      signal,
      ...request,
    });
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
    const { status, body } = await ask({ body: lazily('one ', 'two'), headers: { 'x-a': ['1', '2'] } });
    assert.equal(status, 200);
    assert.equal(Buffer.from(await collectBody(body, 100)).toString(), 'one two');
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
    await assert.rejects(away.request({ ...request, signal }), told('BACKEND_UNAVAILABLE', false));
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
      const { body } = await ask();
      await assert.rejects(collectBody(body, 100), told('BACKEND_FAILED', true));
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
    const { status, body } = await ask({ body: endless });
    assert.equal(status, 413);
    assert.equal(Buffer.from(await collectBody(body, 100)).toString(), 'no');
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
    const caller = new AbortController();
    const asking = assert.rejects(ask({ signal: caller.signal }), { reason: 'SESSION_REVOKED' });
    await waitFor(() => seen.length === 2, { timeoutMs: 5000, everyMs: 5, what: 'the request' });
    caller.abort(new SallyportError('SESSION_REVOKED'));
    await asking;
    handle = (_, response) => response.writeHead(200).write('half');
    const later = new AbortController();
    const { body } = await ask({ signal: later.signal });
    later.abort(new SallyportError('LEASE_LOST'));
    await assert.rejects(collectBody(body, 100), { reason: 'LEASE_LOST' });
    await idle();
  });

  it('take so many at a time, answers that nobody has read included', async () => {
    handle = (_, response) => response.writeHead(200).write('more to come');
    const caller = new AbortController();
    const answers = [await ask({ signal: caller.signal }), await ask({ signal: caller.signal })];
    await assert.rejects(ask(), told('OVERLOADED', false));
    const [first] = answers;
    for await (const piece of first?.body ?? []) {
      assert.ok(piece);
      break;
    }
    await waitFor(() => backends.active === 1, { timeoutMs: 5000, everyMs: 5, what: 'room' });
    await ask({ signal: caller.signal });
    caller.abort(new SallyportError('CANCELLED'));
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
