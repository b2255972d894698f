import assert from 'node:assert/strict';
import { createHmac, hkdfSync } from 'node:crypto';
import { describe, it } from 'mocha';
import { deviceProof } from './device-proof.ts';
import { nobleCrypto } from './noble-crypto.ts';

describe('the proof of an enrolment', () => {
  it('is what docs/PROTOCOL.md says', () => {
    const sharedKey = new Uint8Array(32).fill(7);
    const routeKey = 'AAECAwQFBgcICQoLDA0ODw';
    const key = Buffer.from(hkdfSync('sha256', sharedKey, '', 'sallyport catalogue v1', 32));
    const data = Buffer.concat([
      Buffer.from('proof\0'),
      Buffer.from([0, 0, 0, 22]),
      Buffer.from(routeKey),
      Buffer.from([0, 0, 1, 0x9b, 0, 0, 0, 5]),
    ]);
    const expected = createHmac('sha256', key).update(data).digest();
    assert.ok(expected.equals(deviceProof(nobleCrypto, sharedKey, routeKey, 0x19b_0000_0005n)));
  });
});
