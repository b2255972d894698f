import assert from 'node:assert/strict';
import { create, equals, toBinary } from '@bufbuild/protobuf';
import { describe, it } from 'mocha';
import { SallyportError } from '#core/errors/error.ts';
import { StreamResponseSchema } from '#gen/sallyport/relay/v1/relay_pb.js';
import { Encoded } from './encoded.ts';
import { createGrpcClient } from './grpc-client.ts';
import type { CallContext, Handlers } from './handlers.ts';
import { implement } from './implement.ts';
import { grpcFixture, relayOf, sessionId, until } from './test-fixture.ts';
import { echoService, textOf } from './test-service.ts';

describe('gRPC: streams', () => {
  const fixture = grpcFixture();
  const { serve, relay, later } = fixture;

  it('writes late bytes when they are sent: messages that wait together do not write over each other', async () => {
    const sizes = [10, 70_000, 0, 3000, 300_000, 3000];
    const messageOf = (size: number) =>
      create(StreamResponseSchema, {
        frame: { sequence: BigInt(size), ciphertext: new Uint8Array(size).fill(size) },
      });
    await serve(
      relayOf({
        stream: async function* () {
          for (const size of sizes) {
            const bytes = toBinary(StreamResponseSchema, messageOf(size));
            const late = { length: bytes.length, writeTo: (into: Buffer) => into.set(bytes) };
            yield new Encoded(StreamResponseSchema, late);
          }
        },
      }),
    );
    const talk = relay().stream();
    talk.end();
    const got: number[] = [];
    for await (const message of talk.responses) {
      assert.ok(equals(StreamResponseSchema, message, messageOf(sizes[got.length] ?? -1)));
      got.push(message.frame?.ciphertext.length ?? -1);
    }
    assert.deepEqual(got, sizes);
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
    const client = createGrpcClient(service, { address: fixture.address, defaultDeadlineMs: 5000 });
    later(() => client.close());
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
});
