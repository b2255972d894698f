import assert from 'node:assert/strict';
import { create, toBinary } from '@bufbuild/protobuf';
import { describe, it } from 'mocha';
import { SallyportError } from '#core/errors/error.ts';
import { AttachRequestSchema, AttachResponseSchema } from '#gen/sallyport/relay/v1/relay_pb.js';
import { Encoded } from './encoded.ts';
import type { CallContext } from './handlers.ts';
import { attach, grpcFixture, relayOf, sessionId, until } from './test-fixture.ts';

describe('gRPC: unary calls', () => {
  const fixture = grpcFixture();
  const { serve, relay, callRaw, sendRaw } = fixture;

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
      timeoutMs: 60_000,
      headers: {
        'x-request-id': 'r-1',
        'x-forwarded-for': '6.6.6.6',
        'x-sallyport-client-address': '192.0.2.7',
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
    assert.ok(deadlineMs >= before + 59_000 && deadlineMs <= Date.now() + 60_000);
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
    assert.equal(fixture.log.lines.length, 1);
    const [line] = fixture.log.lines;
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

  it('answers at once what a handler answers without a promise, with headers and trailers', async () => {
    const request = toBinary(AttachRequestSchema, create(AttachRequestSchema, attach));
    const bytes = toBinary(AttachResponseSchema, create(AttachResponseSchema, { proxy: 'proxy-0' }));
    await serve(
      relayOf({
        attach: (_request, call) => {
          call.setHeader('x-answered-by', 'proxy-0');
          call.setTrailer('x-took', 'no time');
          return new Encoded(AttachResponseSchema, bytes);
        },
      }),
    );
    const { answers, status, headers } = await sendRaw('/sallyport.relay.v1.Relay/Attach', request);
    assert.deepEqual(answers, [Buffer.from(bytes)]);
    assert.equal(status.code, 0);
    assert.deepEqual(headers?.get('x-answered-by'), ['proxy-0']);
    assert.deepEqual(status.metadata.get('x-took'), ['no time']);
  });

  it('refuses a unary call of no message, or of two', async () => {
    let served = 0;
    await serve(
      relayOf({
        attach: () => {
          served++;
          return { proxy: 'proxy-0' };
        },
      }),
    );
    const request = toBinary(AttachRequestSchema, create(AttachRequestSchema, attach));
    for (const messages of [[], [request, request]]) {
      const { answers, status } = await sendRaw('/sallyport.relay.v1.Relay/Attach', ...messages);
      assert.deepEqual([answers.length, status.code], [0, 12]);
    }
    assert.equal(served, 0);
    assert.equal((await relay().attach(attach)).proxy, 'proxy-0');
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
    const bytes = toBinary(AttachRequestSchema, create(AttachRequestSchema, attach));
    // On a starved machine a client that keeps the deadline itself might cancel first.
    const late = await callRaw('/sallyport.relay.v1.Relay/Attach', bytes, '30m');
    assert.equal(late.code, 4);
    await until('the deadline to reach the handler', () => reasons.length === 1);
    const stop = new AbortController();
    const call = assert.rejects(client.attach(attach, { signal: stop.signal }), { reason: 'CANCELLED' });
    await until('the call to arrive', () => started === 2);
    stop.abort();
    await call;
    await until('the cancelling to reach the handler', () => reasons.length === 2);
    assert.deepEqual(reasons, ['DEADLINE', 'CANCELLED']);
    await assert.rejects(client.attach(attach, { timeoutMs: 30 }), { reason: 'DEADLINE' });
    await assert.rejects(client.attach(attach, { signal: AbortSignal.abort() }), { reason: 'CANCELLED' });
    await assert.rejects(client.attach(attach, { deadlineMs: Date.now() - 1 }), { reason: 'DEADLINE' });
    assert.ok(fixture.log.lines.every((line) => line.level === 'debug' || line.level === 'info'));
  });

  it('does nothing for who gave up before the call was read', async () => {
    const leftMs: number[] = [];
    await serve(
      relayOf({
        attach: async (_request, { deadlineMs = 0 }) => {
          leftMs.push(deadlineMs - Date.now());
          return { epoch: new Uint8Array(32), proxy: 'proxy-0' };
        },
      }),
    );
    const client = relay();
    const timeoutMs = 60_000;
    const came = (agoMs: number) => ({ 'x-sallyport-came': ((Date.now() - agoMs) / 1000).toFixed(3) });
    await assert.rejects(client.attach(attach, { timeoutMs, headers: came(60_001) }), { reason: 'DEADLINE' });
    assert.deepEqual(leftMs, []);
    await client.attach(attach, { timeoutMs, headers: came(30_000) });
    assert.ok(leftMs[0] !== undefined && leftMs[0] > 0 && leftMs[0] <= 30_000);
    // No clock that is to be believed, or none at all.
    for (const headers of [came(-5000), came(7_200_000), { 'x-sallyport-came': 'noon' }, {}]) {
      await client.attach(attach, { timeoutMs, headers });
      assert.ok((leftMs.at(-1) ?? 0) > 30_000);
    }
  });
});
