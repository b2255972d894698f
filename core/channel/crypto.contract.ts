import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { utf8 } from './bytes.ts';
import type { ChannelCrypto } from './crypto.ts';
import { nobleCrypto } from './noble-crypto.ts';

export const unhex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'hex'));
export const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const range = (from: number, length: number) => Uint8Array.from({ length }, (_, i) => from + i);

/** What every provider must do; known answers from the RFCs, and agreement with `nobleCrypto`. */
export function channelCryptoContract(name: string, crypto: ChannelCrypto): void {
  describe(`channel crypto: ${name}`, () => {
    it('SHA-256, HMAC (RFC 4231) and HKDF (RFC 5869)', () => {
      assert.equal(
        hex(crypto.sha256(utf8('abc'))),
        'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
      );
      assert.equal(
        hex(crypto.hmac(utf8('Jefe'), utf8('what do ya want for nothing?'))),
        '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843',
      );
      assert.equal(
        hex(crypto.hkdf(range(0, 13), new Uint8Array(22).fill(0x0b), range(0xf0, 10), 42)),
        '3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865',
      );
      const empty = new Uint8Array();
      const ikm = range(7, 32);
      assert.deepEqual(
        hex(crypto.hkdf(empty, ikm, utf8('x'), 32)),
        hex(crypto.hkdf(new Uint8Array(32), ikm, utf8('x'), 32)),
      );
    });

    it('ChaCha20-Poly1305 (RFC 8439 section 2.8.2)', () => {
      const key = range(0x80, 32);
      const nonce = unhex('070000004041424344454647');
      const aad = unhex('50515253c0c1c2c3c4c5c6c7');
      const text = utf8(
        "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.",
      );
      const sealed = crypto.aead.seal(key, nonce, aad, text);
      assert.equal(
        hex(sealed),
        'd31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb69da92728b' +
          '1a71de0a9e060b2905d6a5b67ecd3b3692ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc' +
          '3ff4def08e4b7a9de576d26586cec64b61161ae10b594f09e26a7e902ecbd0600691',
      );
      const into = new Uint8Array(text.length + 20).fill(255);
      crypto.aead.sealInto(into.subarray(2, -2), key, nonce, aad, text);
      assert.equal(hex(into), `ffff${hex(sealed)}ffff`);
      for (const wrong of [15, 17]) {
        const out = new Uint8Array(text.length + wrong);
        assert.throws(() => crypto.aead.sealInto(out, key, nonce, aad, text));
      }
      const opened = crypto.aead.open(key, nonce, aad, sealed);
      assert.ok(opened);
      assert.equal(hex(opened), hex(text));
      for (const bit of [0, 8 * text.length, 8 * sealed.length - 1]) {
        const changed = Uint8Array.from(sealed);
        changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        assert.equal(crypto.aead.open(key, nonce, aad, changed), null);
      }
      assert.equal(crypto.aead.open(key, nonce, utf8('other'), sealed), null);
      assert.equal(crypto.aead.open(key, nonce, aad, sealed.slice(0, 15)), null);
      assert.throws(() => crypto.aead.open(key.slice(1), nonce, aad, sealed));
      const nothing = new Uint8Array();
      const tag = crypto.aead.seal(key, nonce, nothing, nothing);
      assert.equal(tag.length, 16);
      assert.equal(crypto.aead.open(key, nonce, nothing, tag)?.length, 0);
    });

    it('X25519 (RFC 7748 section 6.1), and no all-zero secret', () => {
      const alice = unhex('77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a');
      const bobPublic = unhex('de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f');
      const shared = crypto.x25519(alice, bobPublic);
      assert.equal(
        hex(shared ?? new Uint8Array()),
        '4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742',
      );
      assert.equal(crypto.x25519(alice, new Uint8Array(32)), null);
      const one = new Uint8Array(32);
      one[0] = 1;
      assert.equal(crypto.x25519(alice, one), null);
      assert.equal(crypto.x25519(alice, new Uint8Array(31)), null);
      const [mine, theirs] = [crypto.x25519Generate(), nobleCrypto.x25519Generate()];
      const here = crypto.x25519(mine.secretKey, theirs.publicKey);
      const there = nobleCrypto.x25519(theirs.secretKey, mine.publicKey);
      assert.ok(here && there);
      assert.equal(hex(here), hex(there));
    });

    it('Ed25519 (RFC 8032 section 7.1, test 2)', () => {
      const seed = unhex('4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb');
      const publicKey = crypto.ed25519PublicKey(seed);
      assert.equal(hex(publicKey), '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c');
      const message = unhex('72');
      const signature = crypto.ed25519Sign(seed, message);
      assert.equal(
        hex(signature),
        '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da' +
          '085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00',
      );
      assert.equal(crypto.ed25519Verify(publicKey, message, signature), true);
      assert.equal(crypto.ed25519Verify(publicKey, unhex('73'), signature), false);
      assert.equal(crypto.ed25519Verify(publicKey, message, signature.slice(1)), false);
      assert.equal(crypto.ed25519Verify(new Uint8Array(32).fill(0xff), message, signature), false);
    });

    it('compares, and gives different random bytes', () => {
      assert.equal(crypto.constantTimeEqual(range(1, 5), range(1, 5)), true);
      assert.equal(crypto.constantTimeEqual(range(1, 5), range(2, 5)), false);
      assert.equal(crypto.constantTimeEqual(range(1, 5), range(1, 4)), false);
      assert.equal(crypto.constantTimeEqual(range(1, 4), range(1, 5)), false);
      assert.equal(crypto.randomBytes(32).length, 32);
      assert.notEqual(hex(crypto.randomBytes(32)), hex(crypto.randomBytes(32)));
    });
  });
}
