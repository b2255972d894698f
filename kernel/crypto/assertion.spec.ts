import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { SallyportError } from '#core/errors/error.ts';
import { AssertionSigner, type Jwk, verifyAssertion } from './assertion.ts';
import { channelCrypto } from './channel-crypto.ts';

const seed = new Uint8Array(32).fill(5);
const jwk = (kid: string): Jwk => ({
  kty: 'OKP',
  crv: 'Ed25519',
  use: 'sig',
  alg: 'EdDSA',
  kid,
  x: Buffer.from(channelCrypto.ed25519PublicKey(seed)).toString('base64url'),
});
const now = 1_900_000_000;
const claims = {
  sub: 'anna',
  groups: ['staff'],
  aud: 'intranet',
  sid: 's',
  jti: 'j',
  iat: now,
  exp: now + 60,
};

describe('assertions', () => {
  it('verify while they live, for their audience', async () => {
    const token = await new AssertionSigner('k1', seed).sign(claims);
    const verified = await verifyAssertion(token, { keys: [jwk('k1')] }, now * 1000, 'intranet');
    assert.equal(verified.sub, 'anna');
    assert.deepEqual(verified.groups, ['staff']);
  });

  it('are refused when over, for another audience, under another key, or changed', async () => {
    const token = await new AssertionSigner('k1', seed).sign(claims);
    const keys = { keys: [jwk('k1')] };
    const invalid = (e: unknown) => e instanceof SallyportError && e.reason === 'TOKEN_INVALID';
    await assert.rejects(() => verifyAssertion(token, keys, (now + 66) * 1000), invalid);
    await assert.rejects(() => verifyAssertion(token, keys, now * 1000, 'payroll'), invalid);
    await assert.rejects(() => verifyAssertion(token, { keys: [jwk('k2')] }, now * 1000), invalid);
    await assert.rejects(() => verifyAssertion(`${token.slice(0, -4)}AAAA`, keys, now * 1000), invalid);
    await assert.rejects(() => verifyAssertion('no token', keys, now * 1000), invalid);
  });
});
