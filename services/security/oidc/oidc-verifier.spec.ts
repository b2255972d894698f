import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type CryptoKey, exportJWK, generateKeyPair, SignJWT } from 'jose';
import { after, before, beforeEach, describe, it } from 'mocha';
import { oidcNonce } from '#core/channel/oidc-nonce.ts';
import { SallyportError } from '#core/errors/error.ts';
import type { OpenIdToken } from '#gen/sallyport/channel/v1/channel_pb.js';
import { channelCrypto } from '#kernel/crypto/channel-crypto.ts';
import { silentLogger } from '#kernel/log/logger.ts';
import { ManualClock } from '#kernel/time/manual-clock.ts';
import { type OidcFor, type OidcVerifier, oidcVerifier } from './oidc-verifier.ts';

const routeKey = 'r'.repeat(22);
const secret = randomBytes(32);
const person: OidcFor = { routeKey, kind: 'person' };
const device: OidcFor = { routeKey, kind: 'device' };
const clients = { clientId: 'app', peopleClientId: 'tools' };
const rules = { userClaim: 'preferred_username', strongAcr: ['gold'], strongAmr: ['mfa'] };

describe('the verifier of ID tokens', () => {
  let issuer: string;
  let keys: { readonly privateKey: CryptoKey; readonly publicKey: CryptoKey };
  let clock: ManualClock;
  let verify: OidcVerifier;
  const provider = { away: false, asked: 0 };
  const server = createServer(async (request, response) => {
    provider.asked++;
    if (provider.away) return response.writeHead(503).end();
    const jwk = { ...(await exportJWK(keys.publicKey)), kid: 'one', alg: 'ES256' };
    const discovery = { issuer, jwks_uri: `${issuer}/keys` };
    return response.end(JSON.stringify(request.url === '/keys' ? { keys: [jwk] } : discovery));
  });

  before(async () => {
    keys = await generateKeyPair('ES256');
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  after(async () => {
    server.close();
    server.closeAllConnections();
    await once(server, 'close');
  });
  beforeEach(async () => {
    Object.assign(provider, { away: false, asked: 0 });
    clock = new ManualClock();
    verify = await oidcVerifier([{ issuer, ...clients, ...rules }], { clock, log: silentLogger });
  });

  const token = async (claims: Record<string, unknown> = {}, kid = 'one'): Promise<OpenIdToken> => {
    const now = Math.floor(clock.now() / 1000);
    const said = {
      ...{ iss: issuer, aud: 'tools', sub: '1', preferred_username: 'Ada', iat: now, exp: now + 3600 },
      ...{ nonce: oidcNonce(channelCrypto, routeKey, secret), ...claims },
    };
    const idToken = await new SignJWT(said).setProtectedHeader({ alg: 'ES256', kid }).sign(keys.privateKey);
    return { $typeName: 'sallyport.channel.v1.OpenIdToken', idToken, secret };
  };
  const unreachable = (error: unknown): boolean => SallyportError.from(error).reason === 'OIDC_UNREACHABLE';

  it('takes what was made for this log-in, and says whether it counts twice', async () => {
    assert.deepEqual(await verify(await token(), person), { user: 'ada', strong: false });
    assert.equal((await verify(await token({ acr: 'gold' }), person))?.strong, true);
    assert.equal((await verify(await token({ amr: ['pwd', 'mfa'] }), person))?.strong, true);
    const several = await token({ aud: ['tools', 'other'], azp: 'tools' });
    assert.equal((await verify(several, person))?.user, 'ada');
  });

  it('takes no token of another audience, time, nonce or user', async () => {
    const now = Math.floor(clock.now() / 1000);
    for (const claims of [
      ...[{ aud: 'app' }, { aud: 'other' }, { aud: ['tools', 'other'], azp: 'other' }],
      ...[{ iss: 'http://127.0.0.1:1' }, { preferred_username: '' }, { preferred_username: undefined }],
      ...[{ exp: now - 61 }, { iat: now - 661 }, { iat: now + 120 }],
      ...[{ exp: undefined }, { iat: undefined }, { nonce: undefined }],
      { nonce: oidcNonce(channelCrypto, 's'.repeat(22), secret) },
      { nonce: oidcNonce(channelCrypto, routeKey, randomBytes(32)) },
    ]) {
      assert.equal(await verify(await token(claims), person), undefined, JSON.stringify(claims));
    }
  });

  it('tells devices and people apart, and takes people only where they have a client of their own', async () => {
    const ofApp = await token({ aud: 'app' });
    assert.equal((await verify(ofApp, device))?.user, 'ada');
    assert.equal(await verify(await token(), device), undefined);
    const devicesOnly = await oidcVerifier([{ issuer, clientId: 'app', ...rules }], {
      ...{ clock, log: silentLogger },
    });
    assert.equal(await devicesOnly(ofApp, person), undefined);
    assert.equal((await devicesOnly(ofApp, device))?.user, 'ada');
  });

  it('asks a provider that is away once in two seconds, however many want in', async () => {
    provider.away = true;
    for (let n = 0; n < 5; n++) await assert.rejects(verify(await token(), person), unreachable);
    assert.equal(provider.asked, 1);
    provider.away = false;
    await assert.rejects(verify(await token(), person), unreachable);
    await clock.advance(2001);
    assert.equal((await verify(await token(), person))?.user, 'ada');
  });

  it('goes on with the keys that it knows while the provider is away', async () => {
    await verify(await token(), person);
    provider.away = true;
    // One that asks for a key that is not known spoils it for nobody.
    assert.equal(await verify(await token({}, 'two'), person), undefined);
    assert.equal((await verify(await token(), person))?.user, 'ada');
  });
});
