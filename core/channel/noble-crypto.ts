import { chacha20poly1305 } from '@noble/ciphers/chacha.js';
import { ed25519, x25519 } from '@noble/curves/ed25519.js';
import { hkdf } from '@noble/hashes/hkdf.js';
import { hmac } from '@noble/hashes/hmac.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { randomBytes } from '@noble/hashes/utils.js';
import { aeadNonceBytes, keyBytes, tagBytes } from './constants.ts';
import type { ChannelCrypto } from './crypto.ts';

/** Suite 1 in JavaScript, for browsers and wherever no native library is at hand. */
export const nobleCrypto: ChannelCrypto = {
  randomBytes,
  sha256,
  hmac: (key, data) => hmac(sha256, key, data),
  hkdf: (salt, ikm, info, length) => hkdf(sha256, ikm, salt, info, length),
  x25519Generate: () => x25519.keygen(),
  x25519: (secretKey, publicKey) => {
    if (secretKey.length !== keyBytes || publicKey.length !== keyBytes) return null;
    try {
      return x25519.getSharedSecret(secretKey, publicKey);
    } catch {
      // With both lengths right, an all-zero result is the one thing it throws for (RFC 7748 section 6.1).
      return null;
    }
  },
  aead: {
    seal: (key, nonce, aad, plaintext) => chacha20poly1305(key, nonce, aad).encrypt(plaintext),
    sealInto: (out, key, nonce, aad, plaintext) => {
      if (out.length !== plaintext.length + tagBytes) throw new RangeError('a ciphertext has 16 bytes more');
      chacha20poly1305(key, nonce, aad).encrypt(plaintext, out);
    },
    open: (key, nonce, aad, ciphertext) => {
      if (ciphertext.length < tagBytes) return null;
      // The library checks these only while decrypting, where it looks like a wrong tag.
      if (key.length !== keyBytes || nonce.length !== aeadNonceBytes) {
        throw new RangeError('an AEAD key has 32 bytes, a nonce 12');
      }
      const cipher = chacha20poly1305(key, nonce, aad);
      try {
        return cipher.decrypt(ciphertext);
      } catch {
        // All lengths are right, so this is the tag.
        return null;
      }
    },
  },
  ed25519PublicKey: (seed) => ed25519.getPublicKey(seed),
  ed25519Sign: (seed, message) => ed25519.sign(message, seed),
  ed25519Verify: (publicKey, message, signature) => {
    if (publicKey.length !== 32 || signature.length !== 64) return false;
    // RFC 8032 rather than ZIP 215, as libsodium does: both providers must agree on what is valid.
    return ed25519.verify(signature, message, publicKey, { zip215: false });
  },
  constantTimeEqual: (a, b) => {
    let difference = a.length ^ b.length;
    for (let i = 0; i < a.length; i++) difference |= (a[i] ?? 0) ^ (b[i] ?? 0);
    return difference === 0;
  },
};
