import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { z } from 'zod';
import { SallyportError } from '#core/errors/error.ts';
import { backupKey, newDataKey, nonceOf, readSigned, seal, signed, unseal, unwrapDataKey } from './seal.ts';

const key = backupKey(Buffer.alloc(32, 1));
const other = backupKey(Buffer.alloc(32, 2));
const reason = (is: string) => (error: unknown) => SallyportError.from(error).reason === is;
const bend = (bytes: Buffer, at: number, bit: number): Buffer => {
  const bent = Buffer.from(bytes);
  bent[at % bent.length] = (bent[at % bent.length] ?? 0) ^ (1 << bit);
  return bent;
};

describe('what a backup is sealed with', () => {
  it('opens what was sealed, in its place, with its key, and nothing else', () => {
    const { key: data, wrapped } = newDataKey(key);
    assert.deepEqual(unwrapDataKey(key, wrapped), data);
    assert.throws(() => unwrapDataKey(other, wrapped), reason('BACKUP_KEY_WRONG'));
    const sealed = seal(data, nonceOf(3), 'piece 3', Buffer.from('content'));
    assert.equal(unseal(data, nonceOf(3), 'piece 3', sealed)?.toString(), 'content');
    assert.equal(unseal(data, nonceOf(4), 'piece 3', sealed), undefined);
    assert.equal(unseal(data, nonceOf(3), 'piece 4', sealed), undefined);
    fc.assert(
      fc.property(fc.nat(1000), fc.nat(7), (at, bit) => {
        assert.equal(unseal(data, nonceOf(3), 'piece 3', bend(sealed, at, bit)), undefined);
      }),
    );
    for (let length = 0; length < sealed.length; length += 1)
      assert.equal(unseal(data, nonceOf(3), 'piece 3', sealed.subarray(0, length)), undefined);
  });

  it('signs documents with their names', () => {
    const schema = z.object({ keyId: z.string(), n: z.number() });
    const bytes = signed(key, 'a', { keyId: key.id, n: 1 } as { keyId: string });
    assert.equal(readSigned(key, 'a', bytes, schema).n, 1);
    assert.throws(() => readSigned(key, 'b', bytes, schema), reason('BACKUP_DAMAGED'));
    assert.throws(() => readSigned(other, 'a', bytes, schema), reason('BACKUP_KEY_WRONG'));
    fc.assert(
      fc.property(fc.nat(10_000), fc.nat(7), (at, bit) => {
        assert.throws(
          () => readSigned(key, 'a', bend(bytes, at, bit), schema),
          (error) => ['BACKUP_DAMAGED', 'BACKUP_KEY_WRONG'].includes(SallyportError.from(error).reason),
        );
      }),
    );
  });
});
