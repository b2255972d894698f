import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { SallyportError } from '#core/errors/error.ts';
import { decodeActivationString, encodeActivationString } from './activation-string.ts';
import { utf8 } from './bytes.ts';
import { nobleCrypto } from './noble-crypto.ts';
import { chooseServerKey, identityDigest, signKeyList, verifyKeyList } from './server-keys.ts';

const refused = (reason: string) => (thrown: unknown) =>
  thrown instanceof SallyportError && thrown.reason === reason;

describe('activation string', () => {
  it('carries bytes and survives being pasted', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 500 }), (bytes) => {
        const text = encodeActivationString(bytes);
        assert.deepEqual(decodeActivationString(` ${text}\n`), Uint8Array.from(bytes));
      }),
    );
  });

  it('refuses everything else', () => {
    for (const wrong of [
      '',
      'sallyport:1:',
      'sallyport:2:AAAA',
      'https://x',
      'sallyport:1:A',
      'sallyport:1:AB==',
    ]) {
      assert.throws(() => decodeActivationString(wrong), refused('MALFORMED'));
    }
    assert.throws(() => decodeActivationString(`sallyport:1:${'A'.repeat(4000)}`), refused('MALFORMED'));
  });
});

describe('server keys', () => {
  const seed = nobleCrypto.randomBytes(32);
  const signed = signKeyList(nobleCrypto, seed, utf8('a list'));
  const pin = identityDigest(nobleCrypto, signed.identityKey);

  it('only the pinned identity may sign the list', () => {
    verifyKeyList(nobleCrypto, pin, signed);
    const stranger = signKeyList(nobleCrypto, nobleCrypto.randomBytes(32), signed.list);
    const wrong = [
      stranger,
      { ...signed, signature: stranger.signature },
      { ...signed, list: utf8('another list') },
      { ...signed, signature: new Uint8Array(0) },
    ];
    for (const each of wrong) {
      assert.throws(() => verifyKeyList(nobleCrypto, pin, each), refused('UNTRUSTED_SERVER'));
    }
  });

  const key = (keyId: string, notBeforeMs: number, notAfterMs: number, suite = 1) => ({
    ...{ keyId, suite, notBeforeMs, notAfterMs },
    publicKey: new Uint8Array(32),
  });
  const list = {
    expiresAtMs: 1000,
    suites: [2, 1],
    keys: [key('old', 0, 500), key('new', 100, 900), key('future', 600, 2000), key('pq', 0, 3000, 2)],
  };

  it('chooses the key that lives longest, of the strongest common suite', () => {
    assert.equal(chooseServerKey(list, { nowMs: 50, strongestSeen: 0 }).keyId, 'old');
    assert.equal(chooseServerKey(list, { nowMs: 200, strongestSeen: 1 }).keyId, 'new');
    assert.equal(chooseServerKey(list, { nowMs: 700, strongestSeen: 1 }).keyId, 'future');
  });

  it('refuses an old list, a weaker suite, and having nothing in common', () => {
    const at = { nowMs: 200, strongestSeen: 0 };
    assert.throws(() => chooseServerKey(list, { ...at, nowMs: 1000 }), refused('UNTRUSTED_SERVER'));
    assert.throws(() => chooseServerKey(list, { ...at, strongestSeen: 2 }), refused('UNTRUSTED_SERVER'));
    assert.throws(() => chooseServerKey({ ...list, suites: [2] }, at), refused('UNKNOWN_SUITE'));
    assert.throws(() => chooseServerKey({ ...list, keys: [] }, at), refused('UNKNOWN_SERVER_KEY'));
  });
});
