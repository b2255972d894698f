/** Numbers and labels of suite 1. docs/PROTOCOL.md defines each; changing one changes the protocol. */

/** X25519, HKDF-SHA256, ChaCha20-Poly1305. */
export const suite1 = 1;

export const labels = {
  serverKeys: 'sallyport server keys v1',
  enroll: 'sallyport enroll v1',
  sharedKey: 'sallyport shared key v1',
  enrollReply: 'sallyport enroll reply v1',
  attestation: 'sallyport attestation v1',
  open: 'sallyport open v1',
  openTranscript: 'sallyport open transcript v1',
  session: 'sallyport session v1',
  sessionKey: 'sallyport session key v1',
  openReply: 'sallyport open reply v1',
  renew: 'sallyport renew v1',
  close: 'sallyport close v1',
  stepUp: 'sallyport step up v1',
  oidcNonce: 'sallyport oidc nonce v1',
  sharedKeyRotation: 'sallyport shared key rotation v1',
  catalogue: 'sallyport catalogue v1',
  catalogueRoot: 'sallyport catalogue root v1',
  attach: 'sallyport attach v1',
  trafficToProxy: 'sallyport traffic v1 c2s',
  trafficToDevice: 'sallyport traffic v1 s2c',
} as const;

/** Bytes of every symmetric key, X25519 share, nonce of a handshake and HMAC. */
export const keyBytes = 32;
/** Bytes of the tag that ChaCha20-Poly1305 appends. */
export const tagBytes = 16;
/** Bytes of an AEAD nonce. */
export const aeadNonceBytes = 12;
/** Bytes of an encoded epoch. */
export const epochBytes = 16;

/** Frames an attachment may seal in one direction; the next one is SEQUENCE_EXHAUSTED. */
export const maxSequence = 2 ** 48;
/** Sequence numbers that a receiver remembers. */
export const replayWindowSize = 4096;

/** What a frame carries; part of its associated data. */
export const frameType = { request: 1, response: 2, stream: 3 } as const;

/** The nonce of keys that seal one message only. */
export const zeroNonce: Readonly<Uint8Array> = new Uint8Array(aeadNonceBytes);
