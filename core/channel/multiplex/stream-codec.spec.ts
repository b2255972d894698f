import assert from 'node:assert/strict';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { SallyportError } from '#core/errors/error.ts';
import { ExchangeResponseBodySchema, StreamMessageSchema } from '#gen/sallyport/channel/v1/channel_pb.js';
import { concat } from '../bytes.ts';
import { errorOf, resetOf, type StreamMessage } from './messages.ts';
import {
  decodeStreamFrame,
  decodeStreamMessage,
  encodeBatch,
  encodeByDescriptor,
  encodeStreamMessage,
} from './stream-codec.ts';
import { exchangeResponse } from './stream-writer.ts';

const reset = {
  ...{ reason: 'POLICY_DENIED', message: 'm', hint: 'h' },
  ...{ retryAfterMs: 7, requestId: 'r', maybeExecuted: true },
};
const messages: StreamMessage[] = [
  { requestId: 1, kind: 'requestHead', head: { method: 'PUT', authority: 'a', path: '/x', headers: [] } },
  { requestId: 1, kind: 'responseHead', head: { status: 204, headers: [] } },
  { requestId: 4_294_967_295, kind: 'data', data: Uint8Array.of(0, 255) },
  { requestId: 2, kind: 'end' },
  { requestId: 3, kind: 'reset', reset },
  { requestId: 4, kind: 'credit', credit: 65_536 },
];

describe('stream messages', () => {
  it('come back as they were', () => {
    for (const message of messages) {
      assert.deepEqual(decodeStreamMessage(encodeStreamMessage(message)), message);
    }
  });

  it('carry header fields', () => {
    const headers = [{ name: 'accept', value: '*/*' }];
    const head = { status: 200, headers };
    const decoded = decodeStreamMessage(encodeStreamMessage({ requestId: 1, kind: 'responseHead', head }));
    assert.ok(decoded.kind === 'responseHead');
    assert.deepEqual(
      decoded.head.headers.map(({ name, value }) => ({ name, value })),
      headers,
    );
  });

  it('refuses what cannot be read', () => {
    const malformed = (thrown: unknown) => thrown instanceof SallyportError && thrown.reason === 'MALFORMED';
    for (const bytes of [
      new Uint8Array(),
      Uint8Array.of(8, 1),
      Uint8Array.of(255, 255),
      Uint8Array.of(34, 9),
    ]) {
      assert.throws(() => decodeStreamMessage(bytes), malformed);
    }
  });

  it('a reset is an error and back, and an unknown reason is named', () => {
    assert.deepEqual(resetOf(errorOf(reset)), reset);
    const strange = errorOf({ ...reset, reason: 'FROM_THE_FUTURE' });
    assert.equal(strange.reason, 'INTERNAL');
    assert.match(strange.message, /FROM_THE_FUTURE: m/);
  });
});

describe('stream messages, written and read without protobuf-es', () => {
  const u32 = fc.oneof(fc.nat({ max: 300 }), fc.integer({ min: 0, max: 0xffff_ffff }));
  const text = fc.oneof(fc.string({ maxLength: 200 }), fc.string({ unit: 'grapheme', maxLength: 5 }));
  const headers = fc.array(fc.record({ name: text, value: text }), { maxLength: 4 });
  const piece = fc.uint8Array({ maxLength: 300 });
  const any: fc.Arbitrary<StreamMessage> = fc.oneof(
    fc.record({
      ...{ requestId: u32, kind: fc.constant('requestHead' as const) },
      head: fc.record({ method: text, authority: text, path: text, headers }),
    }),
    fc.record({
      ...{ requestId: u32, kind: fc.constant('responseHead' as const) },
      head: fc.record({ status: u32, headers }),
    }),
    fc.record({ requestId: u32, kind: fc.constant('data' as const), data: piece }),
    fc.record({ requestId: u32, kind: fc.constant('end' as const) }),
    fc.record({ requestId: u32, kind: fc.constant('credit' as const), credit: u32 }),
  );
  const plain = (message: unknown) => JSON.parse(JSON.stringify(message));

  it('are the same bytes, and the same messages', () => {
    fc.assert(
      fc.property(any, (message) => {
        const bytes = encodeStreamMessage(message);
        assert.deepEqual(Buffer.from(bytes), Buffer.from(encodeByDescriptor(message)));
        assert.deepEqual(plain(decodeStreamMessage(bytes)), plain(message));
      }),
      { numRuns: 1000 },
    );
  });

  it('so is an answer to an Exchange', () => {
    fc.assert(
      fc.property(u32, headers, fc.array(piece, { maxLength: 4 }), (status, fields, pieces) => {
        const bytes = exchangeResponse({ status, headers: fields }, pieces);
        const body = concat(...pieces);
        const answer = create(ExchangeResponseBodySchema, { head: { status, headers: fields }, body });
        if (bytes === undefined) return assert.match(JSON.stringify(fields), /[^\0-\x7f]/);
        assert.deepEqual(Buffer.from(bytes), Buffer.from(toBinary(ExchangeResponseBodySchema, answer)));
      }),
      { numRuns: 500 },
    );
  });

  it('read whatever protobuf-es reads, and refuse what it refuses', () => {
    const reference = (bytes: Uint8Array): unknown => {
      const { requestId, kind } = fromBinary(StreamMessageSchema, bytes, { readUnknownFields: false });
      if (kind.case === undefined || kind.case === 'batch') throw new Error('no message');
      const value = JSON.parse(
        JSON.stringify(kind.value, (name, each) => (name.startsWith('$') ? undefined : each)),
      );
      return { requestId, kind: kind.case, value };
    };
    const ours = (message: StreamMessage): unknown => {
      const { requestId, kind, ...rest } = plain(message);
      return { requestId, kind, value: kind === 'end' ? true : Object.values(rest)[0] };
    };
    let readable = 0;
    fc.assert(
      fc.property(any, fc.nat(), fc.nat({ max: 255 }), (message, place, byte) => {
        const bytes = encodeStreamMessage(message);
        if (bytes.length > 0) bytes[place % bytes.length] = byte;
        let expected: unknown;
        try {
          expected = reference(bytes);
        } catch {
          assert.throws(() => decodeStreamMessage(bytes), { reason: 'MALFORMED' });
          return;
        }
        const read = decodeStreamMessage(bytes);
        // An end says that it is one whatever its value.
        if (read.kind === 'end') return;
        readable++;
        assert.deepEqual(ours(read), expected);
      }),
      { numRuns: 2000 },
    );
    assert.ok(readable > 100, `${readable}`);
  });
});

describe('a stream frame', () => {
  const wire = (messages: StreamMessage[]) => encodeBatch(messages.map(encodeByDescriptor));

  it('holds one message or a batch', () => {
    for (const message of messages)
      assert.deepEqual(decodeStreamFrame(encodeStreamMessage(message)), [message]);
    assert.deepEqual(decodeStreamFrame(wire(messages)), messages);
    // The same, with a request id that says nothing in front.
    assert.deepEqual(decodeStreamFrame(Uint8Array.of(8, 0, ...wire(messages))), messages);
  });

  it('is no batch of none, of too many, or of batches', () => {
    const malformed = { reason: 'MALFORMED' };
    const many = Array.from({ length: 4097 }, (): StreamMessage => ({ requestId: 1, kind: 'end' }));
    assert.equal(decodeStreamFrame(wire(many.slice(1))).length, 4096);
    for (const bytes of [wire([]), wire(many), Uint8Array.of(0x42, 4, 0x0a, 2, 0x42, 0)]) {
      assert.throws(() => decodeStreamFrame(bytes), malformed);
    }
  });

  it('is not kept alive by a small piece of it', () => {
    const small: StreamMessage = { requestId: 1, kind: 'data', data: new Uint8Array(10) };
    const large: StreamMessage = { requestId: 1, kind: 'data', data: new Uint8Array(1000) };
    const kept = decodeStreamFrame(wire([small, large])).map((each) =>
      each.kind === 'data' ? each.data.buffer.byteLength : 0,
    );
    assert.deepEqual([kept[0], (kept[1] ?? 0) > 1000], [10, true]);
  });
});
