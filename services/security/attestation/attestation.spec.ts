import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { encodeCBOR } from '@levischuck/tiny-cbor';
import { describe, it } from 'mocha';
import { SallyportError } from '#core/errors/error.ts';
import { androidKey, serialOf } from './android-key.ts';
import { appAttest } from './app-attest.ts';
import { claimsOf, type Evidence, ownClaims, verifyAttestation } from './attestation.ts';
import { androidRoots } from './roots.ts';
import { appleExample } from './vectors/app-attest.ts';

const bytes = (base64: string): Uint8Array => new Uint8Array(Buffer.from(base64, 'base64'));
const flipped = (given: Uint8Array, at: number): Uint8Array =>
  given.map((byte, n) => (n === at ? byte ^ 1 : byte));
const refuses = (what: RegExp) => (error: unknown) => {
  const { reason, message } = SallyportError.from(error);
  assert.equal(reason, 'ATTESTATION_INVALID');
  assert.match(message, what);
  return true;
};

describe('Apple App Attest, by the example of its guide', () => {
  const { teamId, bundleId, clientDataHash, nowMs } = appleExample;
  const leaf = bytes(appleExample.leaf);
  const intermediate = bytes(appleExample.intermediate);
  const authData = bytes(appleExample.authData);
  const objectOf = (parts: { fmt?: string; x5c?: Uint8Array[]; authData?: Uint8Array } = {}) =>
    encodeCBOR(
      new Map<string, never>(
        Object.entries({
          fmt: parts.fmt ?? 'apple-appattest',
          attStmt: new Map([['x5c', parts.x5c ?? [leaf, intermediate]]]),
          authData: parts.authData ?? authData,
        }) as [string, never][],
      ),
    );
  const evidence: Evidence = { data: [objectOf()], challenge: clientDataHash, appId: bundleId, nowMs };
  const verify = (
    change: Partial<Evidence> = {},
    { teams = [teamId], environment = 'production' as 'production' | 'development' } = {},
  ) =>
    verifyAttestation(
      new Map([['apple-app-attest', appAttest({ teams, environment })]]),
      'apple-app-attest',
      { ...evidence, ...change },
    );

  it('takes the app of the team, with its key in the Secure Enclave', () => {
    const attested = { format: 'apple-app-attest', level: 'secure-enclave', certDigest: '', boot: '' };
    assert.deepEqual(verify(), attested);
    assert.deepEqual(verify({}, { teams: ['0000000000', teamId] }), attested);
  });

  it('refuses whatever is not as it was attested', () => {
    assert.throws(() => verify({ challenge: Buffer.from('another') }), refuses(/another challenge/));
    assert.throws(() => verify({ appId: 'com.apple.another' }), refuses(/not for com\.apple\.another/));
    assert.throws(() => verify({}, { teams: ['0000000000'] }), refuses(/team/));
    assert.throws(() => verify({}, { environment: 'development' }), refuses(/development environment/));
    for (const day of [16, 21]) {
      assert.throws(() => verify({ nowMs: Date.UTC(2024, 3, day) }), refuses(/valid from/));
    }
    // The counter, the key id, the hash of the app: whatever is changed, the nonce is another.
    for (const at of [0, 36, 60]) {
      const data = [objectOf({ authData: flipped(authData, at) })];
      assert.throws(() => verify({ data }), refuses(/another challenge/));
    }
  });

  it('refuses what Apple has not signed', () => {
    for (const [x5c, what] of [
      [[leaf], /not signed/],
      [[intermediate, leaf], /not signed/],
      [[flipped(leaf, leaf.length - 1), intermediate], /not signed/],
      [[leaf, flipped(intermediate, intermediate.length - 1)], /not signed/],
      [[], /0 certificates/],
      [Array.from({ length: 11 }, () => intermediate), /11 certificates/],
    ] as const) {
      assert.throws(() => verify({ data: [objectOf({ x5c: [...x5c] })] }), refuses(what));
    }
  });

  it('refuses garbage', () => {
    const [object = new Uint8Array()] = evidence.data;
    for (const data of [
      [],
      [new Uint8Array()],
      [new Uint8Array([0xff])],
      [object, object],
      [object.subarray(0, 900)],
      [objectOf({ fmt: 'packed' })],
      [objectOf({ authData: authData.subarray(0, 54) })],
      [objectOf({ x5c: [new Uint8Array(10)] })],
    ]) {
      assert.throws(() => verify({ data }), refuses(/./));
    }
  });
});

describe('Android Key Attestation, by the chain of Google’s sample', () => {
  const pem = readFileSync(new URL('vectors/android-key.pem', import.meta.url), 'utf8');
  const [leaf, ...above] = [
    ...(pem.match(/-----BEGIN[^-]+-----[^-]+-----END[^-]+-----/g) ?? []),
    androidRoots[0] ?? '',
  ].map((text) => new Uint8Array(new X509Certificate(text).raw));
  assert.ok(leaf);
  const evidence: Evidence = {
    data: [leaf, ...above],
    challenge: Buffer.from('challenge'),
    appId: 'com.google.attestationexample',
    nowMs: Date.UTC(2023, 2, 10),
  };
  const verify = (change: Partial<Evidence> = {}, revoked: readonly string[] = []) =>
    verifyAttestation(new Map([['android-key', androidKey({ revoked: new Set(revoked) })]]), 'android-key', {
      ...evidence,
      ...change,
    });
  const attested = {
    format: 'android-key',
    level: 'tee',
    certDigest: '68856d1d06f637d6255face5b224db43a9514ace538bb1548b844480fcd85c87',
    boot: 'verified',
  };

  it('takes the app with its signer, and tells where its key is kept and how the device was booted', () => {
    assert.deepEqual(verify(), attested);
    // The root goes without saying.
    assert.deepEqual(verify({ data: evidence.data.slice(0, -1) }), attested);
    assert.deepEqual(verify(), attested);
  });

  it('refuses whatever is not as it was attested', () => {
    assert.throws(() => verify({ challenge: Buffer.from('challenge2') }), refuses(/another challenge/));
    assert.throws(
      () => verify({ appId: 'com.google.another' }),
      refuses(/it is for com\.google\.attestation/),
    );
    assert.throws(() => verify({ nowMs: Date.UTC(2023, 3, 10) }), refuses(/valid from/));
  });

  it('refuses what Google has not signed, or has revoked', () => {
    assert.throws(() => verify({ data: [leaf] }), refuses(/not signed/));
    assert.throws(() => verify({ data: evidence.data.slice(0, -2) }), refuses(/not signed/));
    assert.throws(
      () => verify({ data: [flipped(leaf, 300), ...above] }),
      refuses(/not signed|cannot be read/),
    );
    // The attested key is no authority: it signs no certificate that counts.
    assert.throws(() => verify({ data: [leaf, ...evidence.data] }), refuses(/not signed/));
    const serial = serialOf(new X509Certificate(above[0] ?? leaf).serialNumber);
    assert.throws(() => verify({}, [serial]), refuses(/revoked/));
  });
});

describe('attestation', () => {
  it('is refused in a format that is not taken here', () => {
    const evidence = { data: [], challenge: new Uint8Array(32), appId: 'a', nowMs: 0 };
    assert.throws(() => verifyAttestation(new Map(), 'android-key', evidence), refuses(/not taken here/));
  });

  it('becomes claims that no app can make itself', () => {
    const claims = claimsOf({ format: 'android-key', level: 'tee', certDigest: '', boot: 'verified' });
    assert.deepEqual(claims, {
      attestation: 'android-key',
      'attestation.level': 'tee',
      'attestation.boot': 'verified',
    });
    assert.ok(Object.keys(claims).every((name) => ownClaims.test(name)));
    assert.ok(!ownClaims.test('attestations'));
  });
});
