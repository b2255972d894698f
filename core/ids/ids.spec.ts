import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { nobleCrypto } from '#core/channel/noble-crypto.ts';
import { SallyportError } from '#core/errors/error.ts';
import { decodeBase64url, encodeBase64url } from './base64url.ts';
import { decodeEpoch, encodeEpoch } from './epoch.ts';
import { isDeviceId, isRouteKey, newDeviceId, newRequestId, newRouteKey } from './ids.ts';
import { checkSessionIdMac, mintSessionId, parseSessionId, routeKeyOf } from './session-id.ts';

const bytes = (size?: number) =>
  fc.uint8Array(size === undefined ? { maxLength: 64 } : { minLength: size, maxLength: size });
const reason = (expected: string) => (thrown: unknown) =>
  thrown instanceof SallyportError && thrown.reason === expected;

describe('base64url', () => {
  it('writes what Node writes and reads it back', () => {
    fc.assert(
      fc.property(bytes(), (data) => {
        const text = encodeBase64url(data);
        assert.equal(text, Buffer.from(data).toString('base64url'));
        assert.deepEqual(decodeBase64url(text), Uint8Array.from(data));
      }),
    );
  });

  it('has one spelling for each value', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 12, unit: fc.constantFrom(...'AQgwz_-=+/ \n') }), (text) => {
        const decoded = decodeBase64url(text);
        if (decoded) assert.equal(encodeBase64url(decoded), text);
      }),
    );
    for (const wrong of ['A', 'AB', 'AA==', 'A+', 'AAA\n', 'é'])
      assert.equal(decodeBase64url(wrong), undefined);
  });
});

describe('ids', () => {
  it('are 22 letters, and different', () => {
    const ids = [newRouteKey(nobleCrypto), newDeviceId(nobleCrypto), newRequestId(nobleCrypto)];
    assert.equal(new Set(ids).size, 3);
    assert.ok(ids.every((id) => id.length === 22 && isRouteKey(id) && isDeviceId(id)));
    assert.equal(isRouteKey(`${'A'.repeat(21)}B`), false);
    assert.equal(isRouteKey('A'.repeat(23)), false);
  });

  it('an epoch takes 16 bytes and comes back', () => {
    const u32 = fc.nat({ max: 0xffff_ffff });
    fc.assert(
      fc.property(u32, u32, fc.bigInt(0n, 2n ** 64n - 1n), (era, incarnation, counter) => {
        const encoded = encodeEpoch({ era, incarnation, counter });
        assert.equal(encoded.length, 16);
        assert.deepEqual(decodeEpoch(encoded), { era, incarnation, counter });
      }),
    );
    assert.throws(() => encodeEpoch({ era: 2 ** 32, incarnation: 0, counter: 0n }), reason('INVALID_FIELD'));
    assert.throws(() => encodeEpoch({ era: 0, incarnation: 0, counter: 2n ** 64n }), reason('INVALID_FIELD'));
    assert.throws(() => decodeEpoch(new Uint8Array(15)), reason('MALFORMED'));
  });
});

describe('session ids', () => {
  const macKey = nobleCrypto.randomBytes(32);
  const routeKey = newRouteKey(nobleCrypto);
  const mint = () => mintSessionId(nobleCrypto, { routeKey, opener: 'sec-0', macKey });

  it('say what they are and carry the MAC of one of the keys', () => {
    const id = parseSessionId(mint());
    assert.equal(id.routeKey, routeKey);
    assert.equal(id.opener, 'sec-0');
    assert.equal(routeKeyOf(id.text), routeKey);
    assert.ok(id.text.startsWith(`${id.handle}.`));
    const other = nobleCrypto.randomBytes(32);
    assert.equal(checkSessionIdMac(nobleCrypto, id, [other, macKey]), true);
    assert.equal(checkSessionIdMac(nobleCrypto, id, [other]), false);
    assert.equal(checkSessionIdMac(nobleCrypto, id, []), false);
  });

  it('any changed letter makes them unreadable or false', () => {
    const text = mint();
    const letter = fc.constantFrom(...'ABCXYZabcxyz0189-_.');
    fc.assert(
      fc.property(fc.nat({ max: text.length - 1 }), letter, (at, to) => {
        fc.pre(text[at] !== to);
        const changed = text.slice(0, at) + to + text.slice(at + 1);
        try {
          assert.equal(checkSessionIdMac(nobleCrypto, parseSessionId(changed), [macKey]), false);
        } catch (thrown) {
          assert.ok(reason('MALFORMED')(thrown), String(thrown));
        }
      }),
    );
  });

  it('other spellings are refused', () => {
    const text = mint();
    const long = text.replace('sec-0', 's'.repeat(41));
    const wrong = ['', 'x', `${text}.`, `${text}\n`, text.slice(1), text.replace('sec-0', 'SEC'), long];
    for (const id of [...wrong, 'A'.repeat(100_000)])
      assert.throws(() => parseSessionId(id), reason('MALFORMED'));
    const parts = { routeKey: 'short', opener: 'sec-0', macKey };
    assert.throws(() => mintSessionId(nobleCrypto, parts), reason('INVALID_FIELD'));
    assert.throws(
      () => mintSessionId(nobleCrypto, { ...parts, routeKey, opener: 'Sec.0' }),
      reason('INVALID_FIELD'),
    );
  });
});
