import assert from 'node:assert/strict';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { FrameOpener, FrameSealer } from '#core/channel/frame.ts';
import { StreamRequestSchema, StreamResponseSchema } from '#gen/sallyport/relay/v1/relay_pb.js';
import { channelCrypto } from '#kernel/crypto/channel-crypto.ts';
import { readStreamRequest, sealedResponse } from './stream-wire.ts';

const direction = { sessionId: 's', epoch: new Uint8Array(16), key: new Uint8Array(32).fill(1) };
const request = (sequence: bigint, ciphertext: Uint8Array) =>
  toBinary(
    StreamRequestSchema,
    create(StreamRequestSchema, { kind: { case: 'frame', value: { sequence, ciphertext } } }),
  );

describe('the messages of a stream as bytes', () => {
  it('are what protobuf-es writes, and open', () => {
    for (const first of [0, 1, 127, 128, 2 ** 31, 2 ** 32 + 5, 2 ** 48 - 2]) {
      for (const length of [0, 1, 110, 111, 200, 16_000, 70_000]) {
        const sealer = new FrameSealer(channelCrypto, direction, first);
        const bytes = sealedResponse(sealer, new Uint8Array(length).fill(7));
        const response = fromBinary(StreamResponseSchema, bytes);
        assert.deepEqual(Buffer.from(toBinary(StreamResponseSchema, response)), Buffer.from(bytes));
        assert.ok(response.frame);
        assert.equal(response.frame.sequence, BigInt(first));
        const opener = new FrameOpener(channelCrypto, direction);
        const opened = opener.openStream(response.frame.sequence, response.frame.ciphertext);
        assert.deepEqual(Buffer.from(opened), Buffer.alloc(length, 7));
      }
    }
  });

  it('are read as protobuf-es reads them', () => {
    const sequences = fc.oneof(
      fc.bigInt({ min: 0n, max: 300n }),
      fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
    );
    fc.assert(
      fc.property(sequences, fc.uint8Array({ minLength: 16, maxLength: 400 }), (sequence, ciphertext) => {
        const read = readStreamRequest(request(sequence, ciphertext));
        assert.ok(read.kind === 'frame');
        assert.equal(BigInt(read.sequence), sequence);
        assert.deepEqual(read.ciphertext, ciphertext);
      }),
    );
    const epoch = new Uint8Array(16);
    const open = { sessionId: 'x'.repeat(40), epoch, batches: true };
    const message = create(StreamRequestSchema, { kind: { case: 'open', value: open } });
    const read = readStreamRequest(toBinary(StreamRequestSchema, message));
    assert.ok(read.kind === 'open');
    assert.deepEqual(
      { ...open, epoch: read.open.epoch },
      {
        ...{ sessionId: read.open.sessionId, epoch: read.open.epoch, batches: read.open.batches },
      },
    );
  });

  it('are refused when the contract does', () => {
    const invalid = [
      request(0n, new Uint8Array(15)),
      request(0n, new Uint8Array(1_114_113)),
      new Uint8Array(),
      toBinary(
        StreamRequestSchema,
        create(StreamRequestSchema, { kind: { case: 'open', value: { sessionId: 'short' } } }),
      ),
    ];
    for (const bytes of invalid) assert.throws(() => readStreamRequest(bytes), { reason: 'INVALID_FIELD' });
    const frame = request(5n, new Uint8Array(20));
    assert.throws(() => readStreamRequest(frame.subarray(0, -1)), { reason: 'MALFORMED' });
    // What a newer device adds is passed over.
    const more = readStreamRequest(Uint8Array.of(...frame, 0x7a, 0x01, 0x00));
    assert.ok(more.kind === 'frame' && more.sequence === 5n);
  });
});
