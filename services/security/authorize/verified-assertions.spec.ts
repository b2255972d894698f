import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { encodeBase64url } from '#core/ids/base64url.ts';
import { AssertionSigner, type Jwk } from '#kernel/crypto/assertion.ts';
import { channelCrypto } from '#kernel/crypto/channel-crypto.ts';
import { VerifiedAssertions } from './verified-assertions.ts';

const seed = new Uint8Array(32).fill(3);
const signer = new AssertionSigner('k1', seed);
const key: Jwk = {
  ...{ kty: 'OKP', crv: 'Ed25519', use: 'sig', alg: 'EdDSA', kid: 'k1' },
  x: encodeBase64url(channelCrypto.ed25519PublicKey(seed)),
};
const startMs = 1_900_000_000_000;
const sign = (seconds = 60, jti = 'j') => {
  const iat = startMs / 1000;
  return signer.sign({ sub: 'ada', groups: [], aud: 'a', sid: 's', jti, iat, exp: iat + seconds });
};

function given(max = 100) {
  const state = { nowMs: startMs, asked: 0, keys: [key] };
  const verified = new VerifiedAssertions({
    now: () => state.nowMs,
    jwks: () => {
      state.asked += 1;
      return { keys: state.keys };
    },
    max,
  });
  return { state, verified };
}
const refused = { reason: 'TOKEN_INVALID' };

describe('assertions that were verified', () => {
  it('are verified once in five seconds', async () => {
    const { state, verified } = given();
    const jwt = await sign();
    assert.equal((await verified.claimsOf(jwt)).sub, 'ada');
    await verified.claimsOf(jwt);
    assert.equal(state.asked, 1);
    state.nowMs += 5000;
    await verified.claimsOf(jwt);
    assert.equal(state.asked, 2);
  });

  it('end with their time, whenever they were verified', async () => {
    const { state, verified } = given();
    const jwt = await sign(1);
    state.nowMs += 5900;
    await verified.claimsOf(jwt);
    state.nowMs += 200;
    await assert.rejects(verified.claimsOf(jwt), refused);
  });

  it('are refused with their key gone, and when somebody changes a letter', async () => {
    const { state, verified } = given();
    const jwt = await sign();
    await verified.claimsOf(jwt);
    const last = jwt.length - 10;
    await assert.rejects(
      verified.claimsOf(`${jwt.slice(0, last)}${jwt[last] === 'A' ? 'B' : 'A'}${jwt.slice(last + 1)}`),
      refused,
    );
    state.keys = [];
    state.nowMs += 5000;
    await assert.rejects(verified.claimsOf(jwt), refused);
  });

  it('are forgotten when they are too many or too old', async () => {
    const { state, verified } = given(2);
    for (const jti of ['a', 'b', 'c']) await verified.claimsOf(await sign(60, jti));
    assert.equal(verified.size, 2);
    state.nowMs += 6000;
    await verified.claimsOf(await sign(60, 'd'));
    assert.equal(verified.size, 1);
  });
});
