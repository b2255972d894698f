import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { SallyportError } from '#core/errors/error.ts';
import { createAdmission } from './admission.ts';
import { createGrpcServer } from './grpc-server.ts';
import type { RpcObserver } from './observer.ts';
import { attach, grpcFixture, relayOf, sessionId, until } from './test-fixture.ts';

describe('gRPC: bounds, observation, closing', () => {
  const fixture = grpcFixture();
  const { serve, relay } = fixture;

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
    assert.throws(() => createGrpcServer({ services: twice, log: fixture.log }), /implemented twice/);
    const server = createGrpcServer({ services: [], log: fixture.log });
    await assert.rejects(server.listen(`/tmp/${'x'.repeat(100)}`), { reason: 'CONFIG_INVALID' });
  });
});
