import { sha256, sha512 } from '@noble/hashes/sha2.js';
import { bytesToHex, hexToBytes, utf8ToBytes } from '@noble/hashes/utils.js';
import { nobleCrypto } from '../../../core/channel/noble-crypto.ts';

/**
 * As much of Node's `crypto` as `@tufjs/models` needs for metadata that is signed with Ed25519 and hashed with
 * SHA-2, for bundles that run elsewhere. Anything else throws, which is a signature that does not hold.
 */
interface PublicKey {
  /** 32 bytes. */
  readonly ed25519: Uint8Array;
}

/** SubjectPublicKeyInfo of Ed25519 up to the key (RFC 8410). */
const spki = hexToBytes('302a300506032b6570032100');

function createPublicKey({ key }: { readonly key: Uint8Array }): PublicKey {
  if (key.length !== spki.length + 32 || !spki.every((byte, at) => byte === key[at])) {
    throw new TypeError('it is no Ed25519 key');
  }
  return { ed25519: key.slice(spki.length) };
}

function verify(
  algorithm: string | undefined,
  data: Uint8Array,
  { key }: { readonly key: PublicKey },
  signature: Uint8Array,
): boolean {
  if (algorithm !== undefined) throw new TypeError(`${algorithm} is not there, only Ed25519`);
  return nobleCrypto.ed25519Verify(key.ed25519, data, signature);
}

function createHash(algorithm: string) {
  const hash = { sha256, sha512 }[algorithm]?.create();
  if (hash === undefined) throw new TypeError(`${algorithm} is not there`);
  const self = {
    update: (data: string | Uint8Array) => {
      hash.update(typeof data === 'string' ? utf8ToBytes(data) : data);
      return self;
    },
    digest: (_encoding: 'hex') => bytesToHex(hash.digest()),
  };
  return self;
}

// biome-ignore lint/style/noDefaultExport: as such the CommonJS of @tufjs/models imports it
export default { createPublicKey, verify, createHash };
