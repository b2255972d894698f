import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, credentials, Metadata } from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { SallyportError } from '#core/errors/error.ts';
import { Relay } from '#gen/sallyport/relay/v1/relay_pb.js';
import { waitFor } from '#kernel/time/wait-for.ts';
import { createAdmission } from './admission.ts';
import { createGrpcClient } from './grpc-client.ts';
import { createGrpcServer, type GrpcServerOptions } from './grpc-server.ts';
import type { CallContext, Handlers } from './handlers.ts';
import { type Implementation, implement } from './implement.ts';
import { noObserver, type RpcObserver } from './observer.ts';
import type { RpcServer } from './server-options.ts';
import { echoService, keepLog, textOf } from './test-service.ts';

const sessionId = 's'.repeat(60);
const attach = { sessionId, deviceNonce: new Uint8Array(32), proof: new Uint8Array(32) };
const until = (what: string, condition: () => unknown) =>
  waitFor(condition, { what, timeoutMs: 5000, everyMs: 5 });

describe('gRPC server and client', () => {
  let folder: string;
  let socket: string;
  let log: ReturnType<typeof keepLog>;
  const closers: (() => unknown)[] = [];

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'rpc-'));
    socket = join(folder, 'grpc.sock');
    log = keepLog();
  });
  afterEach(async () => {
    for (const close of closers.splice(0).reverse()) await close();
    await rm(folder, { recursive: true });
  });

  const serve = async (
    services: readonly Implementation[],
    more: Partial<GrpcServerOptions> = {},
  ): Promise<RpcServer> => {
    const server = createGrpcServer({ services, log, pod: 'sec-0', ...more });
    await server.listen(socket);
    closers.push(() => server.close({ graceMs: 0 }));
    return server;
  };
  const relayOf = (handlers: Partial<Handlers<typeof Relay>>) => [implement(Relay, handlers)];
  const relay = (observer: RpcObserver = noObserver) => {
    const client = createGrpcClient(Relay, {
      address: `unix:${socket}`,
      defaultDeadlineMs: 5000,
      metadata: { 'x-sallyport-route': 'rk' },
      observer,
    });
    closers.push(() => client.close());
    return client;
  };
  const raw = () => {
    const client = new Client(`unix:${socket}`, credentials.createInsecure());
    closers.push(() => client.close());
    return client;
  };
  const callRaw = (path: string, bytes: Uint8Array): Promise<{ code: number; metadata: Metadata }> =>
    new Promise((resolve, reject) => {
      const same = (value: Buffer): Buffer => value;
      raw().makeUnaryRequest(path, same, same, Buffer.from(bytes), new Metadata(), {}, (error) =>
        error ? resolve(error) : reject(new Error('no error came')),
      );
    });

  it('serves a unary call with its context', async () => {
    let seen: CallContext | undefined;
    await serve(
      relayOf({
        attach: async (request, call) => {
          seen = call;
          assert.equal(call.signal.aborted, false);
          call.setHeader('x-answered-by', 'proxy-0');
          return { epoch: request.deviceNonce, proxy: 'proxy-0' };
        },
      }),
    );
    const before = Date.now();
    const answer = await relay().attach(attach, {
      timeoutMs: 2000,
      headers: {
        'x-request-id': 'r-1',
        'x-forwarded-for': '6.6.6.6, 192.0.2.7',
        'x-forwarded-client-cert': 'Hash=00;URI=spiffe://sallyport.internal/edge/edge-1',
      },
    });
    assert.equal(answer.$typeName, 'sallyport.relay.v1.AttachResponse');
    assert.deepEqual(answer.epoch, new Uint8Array(32));
    assert.equal(seen?.method, 'sallyport.relay.v1.Relay/Attach');
    assert.equal(seen.header('x-sallyport-route'), 'rk');
    assert.equal(seen.requestId, 'r-1');
    assert.equal(seen.remoteAddress, '192.0.2.7');
    assert.deepEqual(seen.caller, { role: 'edge', pod: 'edge-1' });
    const { deadlineMs = 0 } = seen;
    assert.ok(deadlineMs >= before + 1000 && deadlineMs <= Date.now() + 2000);
    const { signal } = seen;
    await until('the signal to abort after the end', () => signal.aborted);
  });

  it('carries reason, hint, metadata and time to wait of an error', async () => {
    await serve(
      relayOf({
        attach: async () => {
          throw new SallyportError('THROTTLED', {
            message: 'slowly, ☂\ud800',
            hint: 'wait a bit',
            retryAfterMs: 1234,
            metadata: { server_time: '17' },
          });
        },
      }),
    );
    const failure = await relay()
      .attach(attach, { headers: { 'x-request-id': 'r-2' } })
      .catch((error: unknown) => error);
    assert.ok(failure instanceof SallyportError);
    assert.deepEqual(
      [failure.reason, failure.message, failure.hint, failure.retryAfterMs, failure.metadata],
      [
        'THROTTLED',
        'slowly, ☂\ufffd',
        'wait a bit',
        1234,
        { server_time: '17', request_id: 'r-2', pod: 'sec-0' },
      ],
    );
  });

  it('says nothing of what broke inside, and logs it once', async () => {
    await serve(
      relayOf({
        attach: async () => {
          throw new TypeError('password is hunter2');
        },
      }),
    );
    const failure = await relay()
      .attach(attach)
      .catch((error: unknown) => error);
    assert.ok(failure instanceof SallyportError);
    assert.equal(failure.reason, 'INTERNAL');
    assert.doesNotMatch(JSON.stringify({ ...failure, text: failure.message }), /hunter2/);
    assert.equal(log.lines.length, 1);
    const [line] = log.lines;
    assert.equal(line?.level, 'error');
    const error: unknown = Reflect.get(line.fields, 'err');
    assert.ok(error instanceof SallyportError && error.cause instanceof TypeError);
    assert.equal(Reflect.get(line.fields, 'request_id'), failure.metadata.request_id);
  });

  it('refuses what breaks the contract, cannot be read, is too large, or is unknown', async () => {
    await serve(relayOf({ attach: async () => ({}) }), { maxRequestBytes: 1000 });
    const client = relay();
    await assert.rejects(client.attach({ ...attach, sessionId: 'x', proof: new Uint8Array(3) }), {
      reason: 'INVALID_FIELD',
      message: /AttachRequest: session_id: .*; proof: /,
    });
    const exchange = { sessionId, epoch: new Uint8Array(16), frame: { ciphertext: new Uint8Array(1200) } };
    await assert.rejects(client.exchange(exchange), { reason: 'UNKNOWN_METHOD' });
    await assert.rejects(client.attach({ ...attach, sessionId: 'x'.repeat(1500) }), { reason: 'TOO_LARGE' });
    await assert.rejects(client.attach({ ...attach, sessionId: 'x'.repeat(9000) }), { reason: 'TOO_LARGE' });
    const malformed = await callRaw('/sallyport.relay.v1.Relay/Attach', Uint8Array.of(0xff, 0xff));
    assert.equal(malformed.code, 3);
    assert.match(String(malformed.metadata.get('grpc-status-details-bin')[0]), /MALFORMED/);
    const unknown = await callRaw('/sallyport.relay.v1.Relay/Nothing', new Uint8Array());
    assert.equal(unknown.code, 12);
    assert.match(String(unknown.metadata.get('grpc-status-details-bin')[0]), /UNKNOWN_METHOD/);
  });

  it('hands deadlines and cancelling on to the handler', async () => {
    const reasons: unknown[] = [];
    let started = 0;
    await serve(
      relayOf({
        attach: (_request, { signal }) => {
          started++;
          return new Promise((_, reject) => {
            signal.addEventListener('abort', () => {
              reasons.push(signal.reason.reason);
              reject(signal.reason);
            });
          });
        },
      }),
    );
    const client = relay();
    await assert.rejects(client.attach(attach, { timeoutMs: 30 }), { reason: 'DEADLINE' });
    await until('the deadline to reach the handler', () => reasons.length === 1);
    const stop = new AbortController();
    const call = assert.rejects(client.attach(attach, { signal: stop.signal }), { reason: 'CANCELLED' });
    await until('the call to arrive', () => started === 2);
    stop.abort();
    await call;
    await until('the cancelling to reach the handler', () => reasons.length === 2);
    assert.deepEqual(reasons, ['DEADLINE', 'CANCELLED']);
    await assert.rejects(client.attach(attach, { signal: AbortSignal.abort() }), { reason: 'CANCELLED' });
    await assert.rejects(client.attach(attach, { deadlineMs: Date.now() - 1 }), { reason: 'DEADLINE' });
    assert.ok(log.lines.every((line) => line.level === 'debug' || line.level === 'info'));
  });

  it('streams both ways, message by message, and ends either way', async () => {
    let finished = 0;
    await serve(
      relayOf({
        stream: async function* (requests) {
          try {
            for await (const { kind } of requests) {
              if (kind.case !== 'frame') continue;
              if (kind.value.sequence === 99n) throw new SallyportError('SESSION_REVOKED');
              yield { frame: kind.value };
            }
          } finally {
            finished++;
          }
        },
      }),
    );
    const client = relay();
    const frame = (sequence: bigint) => ({
      kind: { case: 'frame' as const, value: { sequence, ciphertext: new Uint8Array(20) } },
    });
    const talk = client.stream();
    const answers = talk.responses[Symbol.asyncIterator]();
    for (let n = 0n; n < 50n; n++) {
      await talk.send(frame(n));
      assert.equal((await answers.next()).value?.frame?.sequence, n);
    }
    talk.end();
    assert.equal((await answers.next()).done, true);
    await assert.rejects(talk.send(frame(1n)), { reason: 'CANCELLED' });

    const ill = client.stream();
    await ill.send({ kind: { case: 'frame', value: { ciphertext: new Uint8Array(1) } } });
    await assert.rejects(ill.responses[Symbol.asyncIterator]().next(), { reason: 'INVALID_FIELD' });

    const revoked = client.stream();
    for (const n of [1n, 2n, 99n]) await revoked.send(frame(n));
    const got: bigint[] = [];
    await assert.rejects(
      async () => {
        for await (const each of revoked.responses) got.push(each.frame?.sequence ?? -1n);
      },
      { reason: 'SESSION_REVOKED' },
    );
    assert.deepEqual(got, [1n, 2n]);
    await assert.rejects(revoked.send(frame(3n)), { reason: 'SESSION_REVOKED' });

    const left = client.stream();
    await left.send(frame(5n));
    for await (const _ of left.responses) break;
    await until('the handlers to end', () => finished === 4);
  });

  it('serves all four kinds', async () => {
    const service = echoService();
    const handlers: Record<string, unknown> = {
      one: async (request: never) => ({ text: `${textOf(request)}!` }),
      down: async function* (request: never) {
        for (const letter of textOf(request)) yield { text: letter };
      },
      up: async (requests: AsyncIterable<never>) => {
        let text = '';
        for await (const request of requests) text += textOf(request);
        return { text };
      },
      both: async function* (requests: AsyncIterable<never>, call: CallContext) {
        call.setHeader('x-first', '1');
        for await (const request of requests) yield { text: textOf(request).toUpperCase() };
        call.setTrailer('x-last', '1');
      },
    };
    await serve([implement(service, handlers as Partial<Handlers<typeof service>>)]);
    const client = createGrpcClient(service, { address: `unix:${socket}`, defaultDeadlineMs: 5000 });
    closers.push(() => client.close());
    const method = (name: string): unknown => Reflect.get(client, name);
    const call = (name: string, ...args: unknown[]): never =>
      (method(name) as (...all: unknown[]) => never)(...args);
    assert.equal(textOf(await call('one', { text: 'a' })), 'a!');
    const letters: string[] = [];
    for await (const each of (call('down', { text: 'xyz' }) as { responses: AsyncIterable<never> })
      .responses) {
      letters.push(textOf(each));
    }
    assert.deepEqual(letters, ['x', 'y', 'z']);
    const up = call('up') as { send(m: object): Promise<void>; finish(): Promise<never> };
    for (const text of ['1', '2', '3']) await up.send({ text });
    assert.equal(textOf(await up.finish()), '123');
    const both = call('both') as {
      send(m: object): Promise<void>;
      end(): void;
      responses: AsyncIterable<never>;
    };
    await both.send({ text: 'loud' });
    both.end();
    for await (const each of both.responses) assert.equal(textOf(each), 'LOUD');
  });

  it('does not run ahead of a reader who does not read, in either direction', async () => {
    const big = { frame: { ciphertext: new Uint8Array(32_768) } };
    let sent = 0;
    let received = 0;
    let read = false;
    await serve(
      relayOf({
        stream: async function* (requests, { signal }) {
          const [first] = [await requests[Symbol.asyncIterator]().next()];
          if (first.value?.kind.case === 'open') {
            for (; sent < 1000; sent++) yield big;
          } else {
            await new Promise((resolve) => signal.addEventListener('abort', resolve));
            read = true;
          }
          received++;
        },
      }),
      { windowBytes: 65_536 },
    );
    const client = relay();
    const down = client.stream();
    await down.send({ kind: { case: 'open', value: { sessionId, epoch: new Uint8Array(16) } } });
    const frames = down.responses[Symbol.asyncIterator]();
    await frames.next();
    const settled = async (count: () => number): Promise<number> => {
      let last = -1;
      let same = 0;
      await until('it to stop', async () => {
        same = count() === last ? same + 1 : 0;
        last = count();
        return same > 20;
      });
      return last;
    };
    assert.ok((await settled(() => sent)) < 200, `${sent} were produced for a reader of one`);
    while (!(await frames.next()).done);
    assert.equal(sent, 1000);

    const up = client.stream();
    let taken = 0;
    const sending = (async () => {
      for (; taken < 1000; taken++) await up.send({ kind: { case: 'frame', value: big.frame } });
    })().catch((error: unknown) => error);
    assert.ok((await settled(() => taken)) < 200, `${taken} were taken for a handler that reads one`);
    up.cancel();
    assert.ok((await sending) instanceof SallyportError);
    await until('the handler to be told', () => read && received === 2);
  });

  it('sheds the newest beyond its bound, but not health checks, and counts right', async () => {
    const admission = createAdmission({ maxCalls: 2, maxStreams: 1, retryAfterMs: 70 });
    const release = Promise.withResolvers<void>();
    const server = await serve(
      relayOf({
        attach: async () => {
          await release.promise;
          return {};
        },
        stream: async function* (requests) {
          for await (const _ of requests) yield {};
        },
      }),
      { admission },
    );
    const client = relay();
    const first = [client.attach(attach), client.attach(attach)];
    await until('both to be in', () => server.active === 2);
    await assert.rejects(client.attach(attach), { reason: 'OVERLOADED', retryAfterMs: 70 });
    const stream = client.stream();
    await until('the stream to be in', () => admission.inFlight.stream === 1);
    await assert.rejects(client.stream().responses[Symbol.asyncIterator]().next(), { reason: 'OVERLOADED' });
    stream.end();
    release.resolve();
    await Promise.all(first);
    await until('all to be out', () => admission.inFlight.call + admission.inFlight.stream === 0);
    assert.equal(admission.refused, 2);
  });

  it('tells an observer at both ends, and joins their contexts', async () => {
    const told: string[] = [];
    const observer: RpcObserver = {
      start: ({ side, method, header, setHeader }) => {
        setHeader('traceparent', 'the-trace');
        told.push(`${side} ${method.split('/')[1]} ${header('traceparent') ?? 'none'}`);
        return {
          run: (work) => work(),
          end: (code, error) => told.push(`${side} ends ${code} ${error?.reason ?? 'well'}`),
        };
      },
    };
    await serve(
      relayOf({
        attach: async () => ({}),
        exchange: async () => {
          throw new SallyportError('ATTACH_REQUIRED');
        },
      }),
      { observer },
    );
    const client = relay(observer);
    await client.attach(attach);
    const exchange = { sessionId, epoch: new Uint8Array(16), frame: { ciphertext: new Uint8Array(16) } };
    await assert.rejects(client.exchange(exchange));
    assert.deepEqual(told, [
      'client Attach none',
      'server Attach the-trace',
      'server ends 0 well',
      'client ends 0 well',
      'client Exchange none',
      'server Exchange the-trace',
      'server ends 9 ATTACH_REQUIRED',
      'client ends 9 ATTACH_REQUIRED',
    ]);
  });

  it('closes in order: what ends in time ends well, the rest is told UNAVAILABLE', async () => {
    const release = Promise.withResolvers<void>();
    const server = await serve(
      relayOf({
        attach: async () => {
          await release.promise;
          return { proxy: 'proxy-0' };
        },
        stream: async function* (_requests, { signal }) {
          yield {};
          await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
        },
      }),
    );
    const client = relay();
    const quick = client.attach(attach);
    const endless = client.stream().responses[Symbol.asyncIterator]();
    await endless.next();
    await until('both to be in', () => server.active === 2);
    const closed = server.close({ graceMs: 100 });
    release.resolve();
    assert.equal((await quick).proxy, 'proxy-0');
    await assert.rejects(endless.next(), { reason: 'UNAVAILABLE', message: 'this pod is closing' });
    await closed;
    await assert.rejects(client.attach(attach, { timeoutMs: 50 }), { reason: 'DEADLINE' });
  });

  it('waits, within its deadline, for a server that is not there yet', async () => {
    const early = relay().attach(attach);
    await serve(relayOf({ attach: async () => ({ proxy: 'late' }) }));
    assert.equal((await early).proxy, 'late');
  });

  it('refuses two handlers for one method, and a socket path that no system can bind', async () => {
    const twice = [...relayOf({ attach: async () => ({}) }), ...relayOf({ attach: async () => ({}) })];
    assert.throws(() => createGrpcServer({ services: twice, log }), /implemented twice/);
    const server = createGrpcServer({ services: [], log });
    await assert.rejects(server.listen(`/tmp/${'x'.repeat(100)}`), { reason: 'CONFIG_INVALID' });
  });
});
