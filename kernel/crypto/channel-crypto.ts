import { Buffer } from 'node:buffer';
import { createHmac, hash, hkdfSync, randomBytes } from 'node:crypto';
import sodium from 'sodium-native';
import type { ChannelCrypto } from '#core/channel/crypto.ts';

// @types/sodium-native leaves these two out; the signatures are libsodium's.
declare module 'sodium-native' {
  export function crypto_aead_chacha20poly1305_ietf_encrypt(
    ciphertext: Uint8Array,
    message: Uint8Array,
    additional: Uint8Array | null,
    secretNonce: null,
    nonce: Uint8Array,
    key: Uint8Array,
  ): number;
  /** Throws when the tag does not fit. */
  export function crypto_aead_chacha20poly1305_ietf_decrypt(
    message: Uint8Array,
    secretNonce: null,
    ciphertext: Uint8Array,
    additional: Uint8Array | null,
    nonce: Uint8Array,
    key: Uint8Array,
  ): number;
}

/** The same bytes as a Buffer, which the typings of sodium-native ask for. */
function view(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

const tagBytes = 16;

/** Bytes that are about to be written, all of them: zeros would cost as much as a short frame. */
function unfilled(length: number): Uint8Array {
  const { buffer, byteOffset } = Buffer.allocUnsafe(length);
  return new Uint8Array(buffer, byteOffset, length);
}

/** Suite 1 on libsodium: about a sixth of what `node:crypto` costs for a frame (LAB.md). */
export const channelCrypto: ChannelCrypto = {
  randomBytes: (length) => new Uint8Array(randomBytes(length)),
  sha256: (data) => hash('sha256', data, 'buffer'),
  hmac: (key, data) => createHmac('sha256', key).update(data).digest(),
  hkdf: (salt, ikm, info, length) => new Uint8Array(hkdfSync('sha256', ikm, salt, info, length)),
  x25519Generate: () => {
    const publicKey = Buffer.alloc(32);
    const secretKey = Buffer.alloc(32);
    sodium.crypto_box_keypair(publicKey, secretKey);
    return { publicKey, secretKey };
  },
  x25519: (secretKey, publicKey) => {
    if (secretKey.length !== 32 || publicKey.length !== 32) return null;
    const shared = Buffer.alloc(32);
    try {
      sodium.crypto_scalarmult(shared, view(secretKey), view(publicKey));
    } catch {
      // With the lengths right, libsodium refuses points of small order only.
      return null;
    }
    return shared;
  },
  aead: {
    seal: (key, nonce, aad, plaintext) => {
      const ciphertext = unfilled(plaintext.length + tagBytes);
      sodium.crypto_aead_chacha20poly1305_ietf_encrypt(ciphertext, plaintext, aad, null, nonce, key);
      return ciphertext;
    },
    sealInto: (out, key, nonce, aad, plaintext) => {
      sodium.crypto_aead_chacha20poly1305_ietf_encrypt(out, plaintext, aad, null, nonce, key);
    },
    open: (key, nonce, aad, ciphertext) => {
      if (ciphertext.length < tagBytes) return null;
      const plaintext = unfilled(ciphertext.length - tagBytes);
      if (key.length !== 32 || nonce.length !== 12)
        throw new RangeError('an AEAD key has 32 bytes, a nonce 12');
      try {
        sodium.crypto_aead_chacha20poly1305_ietf_decrypt(plaintext, null, ciphertext, aad, nonce, key);
      } catch {
        // All lengths are right, so this is the tag.
        return null;
      }
      return plaintext;
    },
  },
  ed25519PublicKey: (seed) => ed25519KeyPair(seed).publicKey,
  ed25519Sign: (seed, message) => {
    const { secretKey } = ed25519KeyPair(seed);
    const signature = Buffer.alloc(64);
    sodium.crypto_sign_detached(signature, view(message), secretKey);
    secretKey.fill(0);
    return signature;
  },
  ed25519Verify: (publicKey, message, signature) =>
    publicKey.length === 32 &&
    signature.length === 64 &&
    sodium.crypto_sign_verify_detached(view(signature), view(message), view(publicKey)),
  constantTimeEqual: (a, b) => a.length === b.length && sodium.sodium_memcmp(view(a), view(b)),
};

function ed25519KeyPair(seed: Uint8Array): { publicKey: Buffer; secretKey: Buffer } {
  const publicKey = Buffer.alloc(32);
  const secretKey = Buffer.alloc(64);
  sodium.crypto_sign_seed_keypair(publicKey, secretKey, view(seed));
  return { publicKey, secretKey };
}
