/**
 * The primitives of suite 1 as the channel uses them. Two implementations: `nobleCrypto` for
 * browsers and `channelCrypto` (kernel/crypto) for servers; both pass `crypto.contract.ts`.
 * Nothing here keeps a reference to its arguments after it returns.
 */
export interface ChannelCrypto {
  /** Cryptographically secure random bytes. */
  randomBytes(length: number): Uint8Array;
  /** SHA-256, 32 bytes. */
  sha256(data: Uint8Array): Uint8Array;
  /** HMAC-SHA256, 32 bytes. */
  hmac(key: Uint8Array, data: Uint8Array): Uint8Array;
  /** HKDF-SHA256 (RFC 5869), extract and expand; an empty salt stands for 32 zero bytes. */
  hkdf(salt: Uint8Array, ikm: Uint8Array, info: Uint8Array, length: number): Uint8Array;
  /** A fresh X25519 key pair (RFC 7748). */
  x25519Generate(): X25519KeyPair;
  /** X25519; null when the result is all zero, that is, the other side sent a point of small order. */
  x25519(secretKey: Uint8Array, publicKey: Uint8Array): Uint8Array | null;
  readonly aead: Aead;
  /** The Ed25519 public key of a 32-byte seed (RFC 8032). */
  ed25519PublicKey(seed: Uint8Array): Uint8Array;
  /** A 64-byte Ed25519 signature. */
  ed25519Sign(seed: Uint8Array, message: Uint8Array): Uint8Array;
  /** False also for keys and signatures of a wrong length. */
  ed25519Verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean;
  /** Compares in a time that depends on the lengths only. */
  constantTimeEqual(a: Uint8Array, b: Uint8Array): boolean;
}

/** ChaCha20-Poly1305 (RFC 8439): key 32 bytes, nonce 12 bytes, tag 16 bytes at the end. */
export interface Aead {
  seal(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array): Uint8Array;
  /** As `seal`, into `out`, which is 16 bytes longer than the plaintext and does not overlap it. */
  sealInto(out: Uint8Array, key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array): void;
  /** null when the tag does not fit, or the ciphertext is shorter than a tag. */
  open(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, ciphertext: Uint8Array): Uint8Array | null;
}

export interface X25519KeyPair {
  /** 32 bytes. */
  publicKey: Uint8Array;
  /** 32 bytes. */
  secretKey: Uint8Array;
}
