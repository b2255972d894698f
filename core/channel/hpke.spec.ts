import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { SallyportError } from '#core/errors/error.ts';
import { channelCrypto } from '#kernel/crypto/channel-crypto.ts';
import { utf8 } from './bytes.ts';
import { hex, unhex } from './crypto.contract.ts';
import { generateHpkeKeyPair, hpkeSeal } from './hpke.ts';
import { hpkeOpen, importRecipient } from './hpke-open.ts';
import { nobleCrypto } from './noble-crypto.ts';

const info = unhex('4f6465206f6e2061204772656369616e2055726e');
const plaintext = unhex('4265617574792069732074727574682c20747275746820626561757479');

/**
 * RFC 9180, appendix A.2.1 and A.2.2. The RFC seals with "Count-0" as associated data and the
 * channel with none, so the ciphertext is checked through the RFC's key and base nonce.
 */
const rfc9180 = {
  'A.2.1, base mode': {
    ikmE: '909a9b35d3dc4713a5e72a4da274b55d3d3821a37e5d099e74a647db583a904b',
    pkRm: '4310ee97d88cc1f088a5576c77ab0cf5c3ac797f3d95139c6c84b5429c59662a',
    skRm: '8057991eef8f1f1af18f4a9491d16a1ce333f695d4db8e38da75975c4478e0fb',
    enc: '1afa08d3dec047a643885163f1180476fa7ddb54c6a8029ea33f95796bf2ac4a',
    key: 'ad2744de8e17f4ebba575b3f5f5a8fa1f69c2a07f6e7500bc60ca6e3e3ec1c91',
    baseNonce: '5c4d98150661b848853b547f',
    exported: [
      '4bbd6243b8bb54cec311fac9df81841b6fd61f56538a775e7c80a9f40160606e',
      '5acb09211139c43b3090489a9da433e8a30ee7188ba8b0a9a1ccf0c229283e53',
    ],
    psk: undefined,
  },
  'A.2.2, PSK mode': {
    ikmE: '35706a0b09fb26fb45c39c2f5079c709c7cf98e43afa973f14d88ece7e29c2e3',
    pkRm: '13640af826b722fc04feaa4de2f28fbd5ecc03623b317834e7ff4120dbe73062',
    skRm: '77d114e0212be51cb1d76fa99dd41cfd4d0166b08caa09074430a6c59ef17879',
    enc: '2261299c3f40a9afc133b969a97f05e95be2c514e54f3de26cbe5644ac735b04',
    key: '600d2fdb0313a7e5c86a9ce9221cd95bed069862421744cfb4ab9d7203a9c019',
    baseNonce: '112e0465562045b7368653e7',
    exported: [
      '813c1bfc516c99076ae0f466671f0ba5ff244a41699f7b2417e4c59d46d39f40',
      'ad40e3ae14f21c99bfdebc20ae14ab86f4ca2dc9a4799d200f43a25f99fa78ae',
    ],
    psk: {
      key: unhex('0247fd33b913760fa1fa51e1892d9f307fbe65eb171e8132c2af18555a738b82'),
      id: unhex('456e6e796e20447572696e206172616e204d6f726961'),
    },
  },
};

const exports = ['', 'TestContext'];
const refused = (reason: string) => (thrown: unknown) =>
  thrown instanceof SallyportError && thrown.reason === reason;

describe('hpke', () => {
  for (const [name, vector] of Object.entries(rfc9180)) {
    it(`gives the answers of RFC 9180 ${name}`, async () => {
      const psk = vector.psk && { psk: vector.psk };
      const sealed = await hpkeSeal(
        { suite: 1, publicKey: unhex(vector.pkRm), info, ephemeralSeed: unhex(vector.ikmE), ...psk },
        plaintext,
        exports,
      );
      assert.equal(hex(sealed.enc), vector.enc);
      assert.deepEqual(sealed.exported.map(hex), vector.exported);
      const expected = nobleCrypto.aead.seal(
        unhex(vector.key),
        unhex(vector.baseNonce),
        new Uint8Array(),
        plaintext,
      );
      assert.equal(hex(sealed.ciphertext), hex(expected));
      const keys = { publicKey: unhex(vector.pkRm), secretKey: unhex(vector.skRm) };
      for (const crypto of [nobleCrypto, channelCrypto]) {
        const recipient = importRecipient(crypto, 1, keys);
        const opened = hpkeOpen(recipient, { enc: sealed.enc, info, ...psk }, sealed.ciphertext, exports);
        assert.equal(hex(opened.plaintext), hex(plaintext));
        assert.deepEqual(opened.exported.map(hex), vector.exported);
      }
    });
  }

  it('refuses other suites, damaged keys and a zero share', async () => {
    const pair = await generateHpkeKeyPair(1);
    await assert.rejects(generateHpkeKeyPair(2), refused('UNKNOWN_SUITE'));
    assert.throws(() => importRecipient(nobleCrypto, 2, pair), refused('UNKNOWN_SUITE'));
    const damaged = { ...pair, secretKey: new Uint8Array(5) };
    assert.throws(() => importRecipient(nobleCrypto, 1, damaged), refused('MALFORMED'));
    const to = { suite: 1, publicKey: new Uint8Array(31), info };
    await assert.rejects(hpkeSeal(to, plaintext, []), refused('MALFORMED'));
    for (const crypto of [nobleCrypto, channelCrypto]) {
      const recipient = importRecipient(crypto, 1, pair);
      for (const enc of [new Uint8Array(32), new Uint8Array(31)]) {
        assert.throws(
          () => hpkeOpen(recipient, { enc, info }, new Uint8Array(32), []),
          refused('UNSEALABLE'),
        );
      }
    }
  });

  it('ties a message to its info and psk', async () => {
    const pair = await generateHpkeKeyPair(1);
    const recipient = importRecipient(nobleCrypto, 1, pair);
    const psk = { key: nobleCrypto.randomBytes(32), id: utf8('who') };
    const sealed = await hpkeSeal({ suite: 1, publicKey: pair.publicKey, info, psk }, plaintext, []);
    const wrong = [
      { info },
      { info: utf8('other'), psk },
      { info, psk: { ...psk, key: nobleCrypto.randomBytes(32) } },
      { info, psk: { ...psk, id: utf8('somebody else') } },
      { info, psk: { ...psk, key: psk.key.subarray(1) } },
    ];
    for (const to of wrong) {
      assert.throws(
        () => hpkeOpen(recipient, { enc: sealed.enc, ...to }, sealed.ciphertext, []),
        refused('UNSEALABLE'),
      );
    }
  });
});
