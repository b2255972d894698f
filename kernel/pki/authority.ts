import 'reflect-metadata';
import { randomBytes, webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';
import { SallyportError } from '#core/errors/error.ts';
import type { Clock } from '#kernel/time/clock.ts';

x509.cryptoProvider.set(webcrypto);

/** ECDSA P-256 with SHA-256: what every TLS stack in the mesh (BoringSSL, OpenSSL, phones) takes. */
const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;

/** Certificates are valid from a little before they are made, for peers whose clock is behind. */
export const clockSkewMs = 5 * 60_000;
const dayMs = 24 * 3_600_000;

/** A certificate and its private key, both PEM (the key PKCS #8, unencrypted). */
export interface KeyedCert {
  readonly cert: string;
  readonly key: string;
}

export interface CaOptions {
  /** Common name; a random suffix is added, so that two roots of one mesh never share a name. */
  name: string;
  /** Validity in days, at least 1. */
  days: number;
}

export interface IssueOptions {
  /** Identity `spiffe://<trust domain>/<role>/<pod>`; becomes a URI SAN. */
  spiffe?: string;
  /** Common name, at most 64 characters; by default the last part of `spiffe`, else the first DNS name. */
  commonName?: string;
  dns?: readonly string[];
  ips?: readonly string[];
  /** Validity in hours; cut to the CA's own. */
  hours: number;
  /** Default both: every pod is a server and a client. */
  usages?: readonly ('server' | 'client')[];
}

/** A new self-signed root that may sign leaves only (path length 0). */
export async function createCa(options: CaOptions, clock: Clock): Promise<KeyedCert> {
  const keys = await generateKeys();
  const now = clock.now();
  const cert = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: newSerial(),
    name: [{ CN: [`${options.name} ${randomBytes(4).toString('hex')}`] }, { O: ['Sallyport'] }],
    keys,
    signingAlgorithm: algorithm,
    notBefore: new Date(now - clockSkewMs),
    notAfter: new Date(now + options.days * dayMs),
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { cert: pem(cert), key: await exportKey(keys.privateKey) };
}

/**
 * A leaf with a new key, signed by `ca`.
 * @throws SallyportError CONFIG_INVALID when it would have no name at all, or the CA has expired.
 */
export async function issue(ca: KeyedCert, options: IssueOptions, clock: Clock): Promise<KeyedCert> {
  const issuer = new x509.X509Certificate(ca.cert);
  const keys = await generateKeys();
  const now = clock.now();
  if (issuer.notAfter.getTime() <= now) {
    throw new SallyportError('CONFIG_INVALID', {
      message: `the certificate authority ${issuer.subject} expired on ${issuer.notAfter.toISOString()}`,
      hint: 'roll the authority over to a new root',
    });
  }
  const names = subjectAlternativeNames(options);
  const commonName = options.commonName ?? options.spiffe?.split('/').at(-1) ?? names[0]?.value;
  if (commonName === undefined) {
    throw new SallyportError('CONFIG_INVALID', { message: 'a certificate needs a name: spiffe, dns or ips' });
  }
  const cert = await x509.X509CertificateGenerator.create({
    serialNumber: newSerial(),
    subject: [{ CN: [commonName.slice(0, 64)] }],
    issuer: issuer.subjectName.toJSON(),
    publicKey: keys.publicKey,
    signingKey: await importKey(ca.key),
    signingAlgorithm: algorithm,
    notBefore: new Date(now - clockSkewMs),
    notAfter: new Date(Math.min(now + options.hours * 3_600_000, issuer.notAfter.getTime())),
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension(
        (options.usages ?? ['server', 'client']).map((usage) =>
          usage === 'server' ? x509.ExtendedKeyUsage.serverAuth : x509.ExtendedKeyUsage.clientAuth,
        ),
      ),
      new x509.SubjectAlternativeNameExtension(names),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      await x509.AuthorityKeyIdentifierExtension.create(issuer.publicKey),
    ],
  });
  return { cert: pem(cert), key: await exportKey(keys.privateKey) };
}

function subjectAlternativeNames(options: IssueOptions): { type: 'url' | 'dns' | 'ip'; value: string }[] {
  return [
    ...(options.spiffe === undefined ? [] : [{ type: 'url' as const, value: options.spiffe }]),
    ...(options.dns ?? []).map((value) => ({ type: 'dns' as const, value })),
    ...(options.ips ?? []).map((value) => ({ type: 'ip' as const, value })),
  ];
}

function generateKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
}

async function exportKey(key: webcrypto.CryptoKey): Promise<string> {
  const der = await webcrypto.subtle.exportKey('pkcs8', key);
  return `${x509.PemConverter.encode(der, 'PRIVATE KEY')}\n`;
}

function importKey(text: string): Promise<webcrypto.CryptoKey> {
  return webcrypto.subtle.importKey('pkcs8', x509.PemConverter.decodeFirst(text), algorithm, false, ['sign']);
}

function pem(cert: x509.X509Certificate): string {
  return `${cert.toString('pem')}\n`;
}

/** 16 random bytes, positive and never with a leading zero octet (RFC 5280 4.1.2.2). */
function newSerial(): string {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return bytes.toString('hex');
}
