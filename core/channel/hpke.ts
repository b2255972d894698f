import { Chacha20Poly1305 } from '@hpke/chacha20poly1305';
import { CipherSuite, DhkemX25519HkdfSha256, HkdfSha256 } from '@hpke/core';
import { SallyportError } from '#core/errors/error.ts';
import { utf8 } from './bytes.ts';
import { keyBytes, suite1 } from './constants.ts';

/** Serialised keys of the KEM; 32 bytes each in suite 1. */
export interface HpkeKeyPair {
  publicKey: Uint8Array;
  secretKey: Uint8Array;
}

/** Pre-shared key mode (RFC 9180 section 5.1.2): who does not know `key` can neither seal nor open. */
export interface HpkePsk {
  /** At least 32 bytes. */
  key: Uint8Array;
  id: Uint8Array;
}

export interface HpkeSealed {
  /** The KEM's encapsulated key; 32 bytes in suite 1. */
  enc: Uint8Array;
  ciphertext: Uint8Array;
  /** 32 bytes for each exporter label that was asked for. */
  exported: Uint8Array[];
}

export interface HpkeOpened {
  plaintext: Uint8Array;
  exported: Uint8Array[];
}

let x25519Suite: CipherSuite | undefined;

function suiteOf(suite: number): CipherSuite {
  if (suite !== suite1) throw new SallyportError('UNKNOWN_SUITE');
  x25519Suite ??= new CipherSuite({
    kem: new DhkemX25519HkdfSha256(),
    kdf: new HkdfSha256(),
    aead: new Chacha20Poly1305(),
  });
  return x25519Suite;
}

/** A fresh server key pair. Throws UNKNOWN_SUITE. */
export async function generateHpkeKeyPair(suite: number): Promise<HpkeKeyPair> {
  const { kem } = suiteOf(suite);
  const pair = await kem.generateKeyPair();
  return {
    publicKey: new Uint8Array(await kem.serializePublicKey(pair.publicKey)),
    secretKey: new Uint8Array(await kem.serializePrivateKey(pair.privateKey)),
  };
}

/**
 * Seals one message to a server key: base mode, or PSK mode when a psk is given; no associated
 * data. Throws UNKNOWN_SUITE, and MALFORMED when the public key or the psk cannot be used.
 */
export async function hpkeSeal(
  to: {
    suite: number;
    publicKey: Uint8Array;
    info: Uint8Array;
    psk?: HpkePsk;
    /** Makes the message reproducible (`ikmE` of RFC 9180). For test vectors only. */
    ephemeralSeed?: Uint8Array;
  },
  plaintext: Uint8Array,
  exports: readonly string[],
): Promise<HpkeSealed> {
  const suite = suiteOf(to.suite);
  try {
    const context = await suite.createSenderContext({
      recipientPublicKey: await suite.kem.deserializePublicKey(to.publicKey),
      info: to.info,
      ...(to.psk && { psk: to.psk }),
      ...(to.ephemeralSeed && { ekm: to.ephemeralSeed }),
    });
    const ciphertext = new Uint8Array(await context.seal(plaintext));
    return { enc: new Uint8Array(context.enc), ciphertext, exported: await exportAll(context, exports) };
  } catch (cause) {
    throw new SallyportError('MALFORMED', { message: 'the key to seal to cannot be used', cause });
  }
}

interface Exporter {
  export(context: Uint8Array, length: number): Promise<ArrayBuffer>;
}

async function exportAll(context: Exporter, names: readonly string[]): Promise<Uint8Array[]> {
  const exported: Uint8Array[] = [];
  for (const name of names) exported.push(new Uint8Array(await context.export(utf8(name), keyBytes)));
  return exported;
}
