import { createHash, X509Certificate } from 'node:crypto';
import { decodeCBOR } from '@levischuck/tiny-cbor';
import { invalidAttestation, type VerifyAttestation } from './attestation.ts';
import { checkChain } from './chain.ts';
import { extensionOf, octetsOf, tagged } from './der.ts';
import { appleRoots } from './roots.ts';

/** The nonce in Apple's certificate of the key. */
const nonceOid = '1.2.840.113635.100.8.2';
const aaguids = {
  production: Buffer.from('appattest\0\0\0\0\0\0\0'),
  development: Buffer.from('appattestdevelop'),
} as const;

export interface AppAttestOptions {
  /** Ten-letter team ids: an app is `<team>.<bundle id>`. */
  readonly teams: readonly string[];
  readonly environment: keyof typeof aaguids;
  /** PEM; for tests. */
  readonly roots?: readonly string[];
}

const sha256 = (...parts: readonly Uint8Array[]): Buffer => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
};

/**
 * Apple App Attest (https://developer.apple.com/documentation/devicecheck/validating-apps-that-connect-to-your-server,
 * steps 1 to 9). The evidence is one attestation object; the challenge is its client data hash. The receipt is not
 * read: it is for asking Apple about fraud, which would need the network.
 */
export function appAttest(options: AppAttestOptions): VerifyAttestation {
  const roots = (options.roots ?? appleRoots).map((pem) => new X509Certificate(pem));
  return ({ data, challenge, appId, nowMs }) => {
    const [object, ...more] = data;
    if (object === undefined || more.length > 0) throw invalidAttestation('it is not one attestation object');
    const { chain, authData } = readObject(object);
    const [leaf] = checkChain(chain, roots, nowMs);
    const nonce = octetsOf(tagged(extensionOf(leaf.raw, nonceOid), 1));
    if (!nonce.equals(sha256(authData, challenge))) {
      throw invalidAttestation('it was made for another challenge');
    }
    const { rpIdHash, counter, aaguid, credentialId } = readAuthData(authData);
    if (!options.teams.some((team) => rpIdHash.equals(sha256(Buffer.from(`${team}.${appId}`))))) {
      throw invalidAttestation(`it is not for ${appId} of a team that is known here`);
    }
    if (counter !== 0) throw invalidAttestation('its key has been used before');
    if (!aaguid.equals(aaguids[options.environment])) {
      throw invalidAttestation(`it is not of the ${options.environment} environment`);
    }
    const { x, y } = leaf.publicKey.export({ format: 'jwk' });
    const point = [x, y].map((each) => Buffer.from(String(each), 'base64url'));
    // The uncompressed point of X9.62.
    if (!sha256(Buffer.of(4), ...point).equals(credentialId)) {
      throw invalidAttestation('its key id is not that of the attested key');
    }
    return { format: 'apple-app-attest', level: 'secure-enclave', certDigest: '', boot: '' };
  };
}

function readObject(object: Uint8Array): { chain: readonly Uint8Array[]; authData: Buffer } {
  const decoded: unknown = decodeCBOR(object);
  const field = (map: unknown, name: string): unknown => (map instanceof Map ? map.get(name) : undefined);
  const x5c = field(field(decoded, 'attStmt'), 'x5c');
  const authData = field(decoded, 'authData');
  const isBytes = (value: unknown): value is Uint8Array => value instanceof Uint8Array;
  if (field(decoded, 'fmt') !== 'apple-appattest' || !Array.isArray(x5c) || !x5c.every(isBytes)) {
    throw invalidAttestation('it is no attestation object of App Attest');
  }
  if (!isBytes(authData)) throw invalidAttestation('it has no authenticator data');
  return { chain: x5c, authData: Buffer.from(authData) };
}

/** WebAuthn's authenticator data (https://www.w3.org/TR/webauthn-2/#sctn-authenticator-data). */
function readAuthData(authData: Buffer) {
  const idAt = 55;
  if (authData.length < idAt) throw invalidAttestation('its authenticator data is cut short');
  const idLength = authData.readUInt16BE(53);
  return {
    rpIdHash: authData.subarray(0, 32),
    counter: authData.readUInt32BE(33),
    aaguid: authData.subarray(37, 53),
    credentialId: authData.subarray(idAt, idAt + idLength),
  };
}
