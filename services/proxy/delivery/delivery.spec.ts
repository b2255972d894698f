import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { create, toBinary } from '@bufbuild/protobuf';
import { describe, it } from 'mocha';
import { ReadTargetResponseSchema } from '#gen/sallyport/catalog/v1/catalog_pb.js';
import { readTargetResponse } from './delivery-service.ts';
import { PieceCache } from './piece-cache.ts';

describe('packages at a proxy', () => {
  it('are written as the contract has them', () => {
    for (const length of [1, 127, 128, 16_383, 16_384, 131_072]) {
      const data = randomBytes(length);
      const expected = toBinary(ReadTargetResponseSchema, create(ReadTargetResponseSchema, { data }));
      assert.ok(Buffer.from(readTargetResponse(data).bytes).equals(expected), `${length}`);
    }
  });

  it('are read once for all that ask at once, and kept within the bound', async () => {
    const read: number[] = [];
    const cache = new PieceCache(async (_, index) => {
      read.push(index);
      return new Uint8Array(100).fill(index);
    }, 250);
    const digest = randomBytes(32);
    const all = await Promise.all([0, 0, 1, 0, 1].map((index) => cache.get(digest, index)));
    assert.deepEqual(
      all.map(([first]) => first),
      [0, 0, 1, 0, 1],
    );
    assert.deepEqual(read, [0, 1]);
    await cache.get(digest, 0);
    await cache.get(digest, 2);
    assert.equal(cache.bytes, 200);
    // 1 made room, since 0 was used after it.
    await cache.get(digest, 0);
    assert.deepEqual(read, [0, 1, 2]);
    await cache.get(digest, 1);
    assert.deepEqual(read, [0, 1, 2, 1]);
    await cache.get(randomBytes(32), 1);
    assert.equal(read.length, 5);
  });

  it('are asked for again when they could not be read', async () => {
    let fails = true;
    const cache = new PieceCache(async () => {
      if (fails) throw new Error('gone');
      return new Uint8Array(1);
    }, 10);
    await assert.rejects(cache.get(randomBytes(32), 0), /gone/);
    fails = false;
    assert.equal((await cache.get(randomBytes(32), 0)).length, 1);
  });
});
