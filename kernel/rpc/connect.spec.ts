import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect as connectHttp2 } from 'node:http2';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Client, createClient } from '@connectrpc/connect';
import { createGrpcTransport, createGrpcWebTransport } from '@connectrpc/connect-node';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { SallyportError } from '#core/errors/error.ts';
import { withSallyportErrors } from '#core/errors/sallyport-errors.ts';
import { Relay } from '#gen/sallyport/relay/v1/relay_pb.js';
import { waitFor } from '#kernel/time/wait-for.ts';
import { createAdmission } from './admission.ts';
import { createConnectClient } from './connect-client.ts';
import { createConnectServer } from './connect-server.ts';
import { createGrpcClient } from './grpc-client.ts';
import type { CallContext, Handlers } from './handlers.ts';
import { implement } from './implement.ts';
import { keepLog } from './test-service.ts';

const sessionId = 's'.repeat(60);
const attach = { sessionId, deviceNonce: new Uint8Array(32), proof: new Uint8Array(32) };
const until = (what: string, condition: () => unknown) =>
  waitFor(condition, { what, timeoutMs: 5000, everyMs: 5 });

describe('Connect server', () => {
  let folder: string;
  let socket: string;
  let log: ReturnType<typeof keepLog>;
  const closers: (() => unknown)[] = [];

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'rpc-'));
    socket = join(folder, 'connect.sock');
    log = keepLog();
  });
  afterEach(async () => {
    for (const close of closers.splice(0).reverse()) await close();
    await rm(folder, { recursive: true });
  });

  const serve = async (handlers: Partial<Handlers<typeof Relay>>) => {
    const server = createConnectServer({
      services: [implement(Relay, handlers)],
      log,
      pod: 'sec-0',
      maxRequestBytes: 1000,
    });
    await server.listen(socket);
    closers.push(() => server.close({ graceMs: 0 }));
    return server;
  };

  const address = () => `unix:${socket}`;
  const inAllProtocols = (): Record<string, Client<typeof Relay>> => {
    const options = {
      baseUrl: 'http://localhost',
      httpVersion: '2' as const,
      nodeOptions: { createConnection: () => connect(socket) },
    };
    return {
      connect: createConnectClient(Relay, { address: address(), defaultDeadlineMs: 5000 }),
      json: createConnectClient(Relay, { address: address(), defaultDeadlineMs: 5000, json: true }),
      grpc: withSallyportErrors(createClient(Relay, createGrpcTransport(options))),
      grpcWeb: withSallyportErrors(createClient(Relay, createGrpcWebTransport(options))),
    };
  };
  const post = async (path: string, type: string, body: string | Uint8Array, more: object = {}) => {
    const session = connectHttp2('http://localhost', { createConnection: () => connect(socket) });
    const stream = session.request({ ':method': 'POST', ':path': path, 'content-type': type, ...more });
    let status = 0;
    let headers: object = {};
    stream.on('response', (given) => {
      status = Number(given[':status']);
      headers = given;
    });
    stream.on('trailers', (given) => {
      headers = { ...headers, ...given };
    });
    stream.end(body);
    const text = await new Response(ReadableStream.from(stream)).text();
    session.close();
    return { status, text, headers };
  };

  it('refuses what it has no room for in each protocol, and goes on when there is room', async () => {
    const admission = createAdmission({ maxCalls: 1, retryAfterMs: 70 });
    const release = Promise.withResolvers<void>();
    const handler = async () => {
      await release.promise;
      return { proxy: 'proxy-0' };
    };
    const services = [implement(Relay, { attach: handler })];
    const server = createConnectServer({ services, log, pod: 'sec-0', admission });
    await server.listen(socket);
    closers.push(() => server.close({ graceMs: 0 }));
    const clients = Object.entries(inAllProtocols());
    const [[, first] = assert.fail()] = clients;
    const inside = first.attach(attach);
    await until('the first to be in', () => server.active === 1);
    for (const [name, client] of clients) {
      await assert.rejects(client.attach(attach), { reason: 'OVERLOADED', retryAfterMs: 70 }, name);
    }
    assert.equal(admission.refused, clients.length);
    release.resolve();
    assert.equal((await inside).proxy, 'proxy-0');
    await until('the place to be free', () => admission.inFlight.call === 0);
    for (const [, client] of clients) assert.equal((await client.attach(attach)).proxy, 'proxy-0');
  });

  it('takes a flood on one connection without holding up the rest of the process', async () => {
    await serve({ attach: async () => ({ proxy: 'proxy-0' }) });
    const { grpc } = inAllProtocols();
    let turnsSeen = 0;
    let counting = true;
    const count = (): void => {
      turnsSeen++;
      if (counting) setImmediate(count);
    };
    setImmediate(count);
    await Promise.all(Array.from({ length: 200 }, () => grpc?.attach(attach)));
    counting = false;
    // 8 calls a turn at most: others had their turns between them.
    assert.ok(turnsSeen >= 200 / 8, `${turnsSeen} turns`);
  });

  it('serves Connect in binary and JSON, gRPC and gRPC-Web with one handler', async () => {
    const calls: CallContext[] = [];
    await serve({
      attach: async (request, call) => {
        calls.push(call);
        call.setTrailer('x-late', '1');
        return { epoch: request.deviceNonce, proxy: 'proxy-0' };
      },
    });
    for (const [name, client] of Object.entries(inAllProtocols())) {
      const answer = await client.attach(attach, {
        headers: {
          'x-forwarded-client-cert': 'URI=spiffe://sallyport.internal/edge/edge-0',
          'x-request-id': name,
        },
        timeoutMs: 3000,
      });
      assert.deepEqual([answer.proxy, answer.epoch], ['proxy-0', new Uint8Array(32)], name);
      const call = calls.at(-1);
      assert.equal(call?.method, 'sallyport.relay.v1.Relay/Attach');
      assert.deepEqual([call.caller.pod, call.requestId], ['edge-0', name]);
      assert.ok((call.deadlineMs ?? 0) > Date.now());
      await until('the signal to abort after the end', () => call.signal.aborted);
    }
  });

  it('serves clients that send the path of a socket as authority, as gRPC for Python does', async () => {
    await serve({ attach: async () => ({ proxy: 'proxy-0' }) });
    const message = JSON.stringify({ ...attach, deviceNonce: 'A'.repeat(43), proof: 'A'.repeat(43) });
    const answer = await post('/sallyport.relay.v1.Relay/Attach', 'application/json', message, {
      ':authority': 'tmp%2Fsallyport-0%2Fout.sock',
    });
    assert.deepEqual([answer.status, answer.text], [200, '{"proxy":"proxy-0"}']);
  });

  it('carries the same errors in all of them', async () => {
    await serve({
      attach: async () => {
        throw new SallyportError('THROTTLED', {
          ...{ message: 'too often: 3, or 50 %3A', retryAfterMs: 2500 },
          ...{ hint: 'wait', metadata: { a: 'b' } },
        });
      },
      exchange: async () => {
        throw new TypeError('password is hunter2');
      },
      stream: async function* () {
        yield {};
        throw new SallyportError('SESSION_REVOKED');
      },
    });
    const exchange = { sessionId, epoch: new Uint8Array(16), frame: { ciphertext: new Uint8Array(16) } };
    const headers = { 'x-request-id': 'r-7' };
    const onGrpcJs = createGrpcClient(Relay, { address: address(), defaultDeadlineMs: 5000 });
    try {
      const told = { reason: 'THROTTLED', message: 'too often: 3, or 50 %3A' };
      await assert.rejects(onGrpcJs.attach(attach), told);
    } finally {
      onGrpcJs.close();
    }
    for (const [name, client] of Object.entries(inAllProtocols())) {
      await assert.rejects(client.attach(attach, { headers }), {
        reason: 'THROTTLED',
        message: 'too often: 3, or 50 %3A',
        hint: 'wait',
        retryAfterMs: 2500,
        metadata: { a: 'b', request_id: 'r-7', pod: 'sec-0' },
      });
      await assert.rejects(client.exchange(exchange), (error) => {
        assert.ok(error instanceof SallyportError, name);
        assert.equal(error.reason, 'INTERNAL');
        return !/hunter2/.test(error.message);
      });
      await assert.rejects(client.attach({ ...attach, sessionId: 'x' }), {
        reason: 'INVALID_FIELD',
        message: /session_id/,
      });
      if (name === 'grpcWeb') continue;
      const requests = (async function* () {
        yield { kind: { case: 'open' as const, value: { sessionId, epoch: new Uint8Array(16) } } };
      })();
      let count = 0;
      await assert.rejects(
        async () => {
          for await (const _ of client.stream(requests)) count++;
        },
        { reason: 'SESSION_REVOKED' },
      );
      assert.equal(count, 1);
    }
    assert.equal(log.lines.filter((line) => line.level === 'error').length, 4);
  });

  it('says what is wrong with what it cannot read', async () => {
    await serve({ attach: async () => ({}) });
    const path = '/sallyport.relay.v1.Relay/Attach';
    for (const [type, body] of [
      ['application/proto', Uint8Array.of(0xff, 0xff)],
      ['application/json', '{"session_id": 5}'],
      ['application/json', '{'],
    ] as const) {
      const { status, text } = await post(path, type, body);
      assert.equal(status, 400, text);
      assert.match(text, /"code":"invalid_argument".*google.rpc.ErrorInfo/);
    }
    assert.match(
      (await post(path, 'application/json', `{"x": "${'x'.repeat(2000)}"}`)).text,
      /resource_exhausted/,
    );
    const grpc = await post(path, 'application/grpc', Uint8Array.of(0, 0, 0, 0, 2, 0xff, 0xff));
    assert.equal(Reflect.get(grpc.headers, 'grpc-status'), '3');
    assert.match(
      Buffer.from(String(Reflect.get(grpc.headers, 'grpc-status-details-bin')), 'base64').toString('latin1'),
      /MALFORMED/,
    );
    const web = await post(path, 'application/grpc-web+proto', Uint8Array.of(0, 0, 0, 0, 2, 0xff, 0xff));
    const details = /grpc-status: 3\r\n(?:.*\r\n)*?grpc-status-details-bin: (\S+)/.exec(web.text)?.[1] ?? '';
    assert.match(Buffer.from(details, 'base64').toString('latin1'), /MALFORMED/, web.text);
    const quoting = await post(path, 'application/json', '{"sessionId":"a","proof":hunter2}');
    assert.deepEqual([quoting.status, /hunter2/.test(quoting.text)], [400, false], quoting.text);
    const mistyped = await post(path, 'application/json', '{"sessionId":["hunter2"]}');
    assert.deepEqual([/session_id/.test(mistyped.text), /hunter2/.test(mistyped.text)], [true, false]);
    const client = createConnectClient(Relay, { address: address(), defaultDeadlineMs: 5000 });
    await assert.rejects(client.attach({ ...attach, sessionId: 'x'.repeat(2000) }), { reason: 'TOO_LARGE' });
    for (const each of Object.values(inAllProtocols())) {
      const exchange = { sessionId, epoch: new Uint8Array(16), frame: { ciphertext: new Uint8Array(16) } };
      await assert.rejects(each.exchange(exchange), { reason: 'UNKNOWN_METHOD', message: /Relay\/Exchange/ });
    }
    const unknown = await post('/nothing', 'application/json', '{}');
    assert.deepEqual([unknown.status, /UNKNOWN|unimplemented/.test(unknown.text)], [501, true]);
  });

  it('hands deadlines and cancelling on, and closes in order', async () => {
    const reasons: unknown[] = [];
    const server = await serve({
      attach: (_request, { signal }) =>
        new Promise((_, reject) => {
          signal.addEventListener('abort', () => {
            reasons.push(signal.reason.reason);
            reject(signal.reason);
          });
        }),
    });
    const client = createConnectClient(Relay, { address: address(), defaultDeadlineMs: 5000 });
    // On a starved machine a deadline may pass before the call has arrived: then there is no handler that it reaches.
    for (let timeoutMs = 30; reasons.length === 0 && timeoutMs < 5000; timeoutMs *= 2) {
      await assert.rejects(client.attach(attach, { timeoutMs }), { reason: 'DEADLINE' });
      await until('the call to be over at the server, too', () => server.active === 0);
    }
    assert.equal(reasons.length, 1);
    const stop = new AbortController();
    const call = assert.rejects(client.attach(attach, { signal: stop.signal }), { reason: 'CANCELLED' });
    await until('the call to arrive', () => server.active === 1);
    stop.abort();
    await call;
    await until('the cancelling to reach the handler', () => reasons.length === 2);
    const last = assert.rejects(client.attach(attach), { reason: 'UNAVAILABLE' });
    await until('the call to arrive', () => server.active === 1);
    await server.close({ graceMs: 20 });
    await last;
    assert.deepEqual(reasons.slice(1), ['CANCELLED', 'UNAVAILABLE']);
    assert.ok(reasons[0] === 'DEADLINE' || reasons[0] === 'CANCELLED');
  });
});
