import assert from 'node:assert/strict';
import { Buffer as NodeBuffer } from 'node:buffer';
import nodeCrypto from 'node:crypto';
import nodeUtil from 'node:util';
import { describe, it } from 'mocha';
import { Buffer } from './buffer.ts';
import crypto from './crypto.ts';
import util from './util.ts';

describe("what stands in for Node's modules where tuf-js runs elsewhere", () => {
  it('Buffer: from text, hexadecimal and bytes, one after the other, and back to text', () => {
    for (const [source, encoding] of [
      ['Grüße', undefined],
      ['00ff10', 'hex'],
    ] as const) {
      assert.deepEqual([...Buffer.from(source, encoding)], [...NodeBuffer.from(source, encoding)]);
    }
    const parts = [Buffer.from([1, 2]), Buffer.from([3])];
    assert.deepEqual([...Buffer.concat(parts)], [1, 2, 3]);
    assert.equal(Buffer.from(Buffer.from('Grüße')).toString(), 'Grüße');
  });

  it('crypto: Ed25519 and SHA-2 as Node has them', () => {
    const { publicKey, privateKey } = nodeCrypto.generateKeyPairSync('ed25519');
    const key = crypto.createPublicKey({ key: publicKey.export({ type: 'spki', format: 'der' }) });
    const data = NodeBuffer.from('signed');
    const signature = nodeCrypto.sign(undefined, data, privateKey);
    assert.equal(crypto.verify(undefined, data, { key }, signature), true);
    assert.equal(crypto.verify(undefined, NodeBuffer.from('Signed'), { key }, signature), false);
    assert.equal(crypto.verify(undefined, data, { key }, signature.subarray(1)), false);
    for (const algorithm of ['sha256', 'sha512']) {
      const wanted = nodeCrypto.createHash(algorithm).update('a').update(data).digest('hex');
      assert.equal(crypto.createHash(algorithm).update('a').update(data).digest('hex'), wanted);
    }
  });

  it('crypto: nothing else', () => {
    const { publicKey } = nodeCrypto.generateKeyPairSync('x25519');
    const other = publicKey.export({ type: 'spki', format: 'der' });
    assert.throws(() => crypto.createPublicKey({ key: other }), /no Ed25519 key/);
    assert.throws(() => crypto.createHash('md5'), /md5/);
    const key = { ed25519: new Uint8Array(32) };
    assert.throws(() => crypto.verify('sha256', other, { key }, other), /only Ed25519/);
  });

  it('util: equality of what JSON can say', () => {
    const values = [
      null,
      1,
      'a',
      [],
      {},
      [1],
      { 0: 1 },
      { a: [1, { b: null }] },
      { a: [1, { b: 0 }] },
      { a: 1 },
    ];
    for (const a of values) {
      for (const b of values) {
        const copy: unknown = JSON.parse(JSON.stringify(b));
        assert.equal(util.isDeepStrictEqual(a, copy), nodeUtil.isDeepStrictEqual(a, copy));
      }
    }
  });
});
