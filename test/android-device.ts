/** An Android device of a maker's own root, which attests apps as Google's do. */
import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';
import {
  Boolean as Asn1Boolean,
  Set as Asn1Set,
  type BaseBlock,
  Constructed,
  Enumerated,
  Integer,
  OctetString,
  Sequence,
} from 'asn1js';

x509.cryptoProvider.set(webcrypto);

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const keyDescriptionOid = '1.3.6.1.4.1.11129.2.1.17';
const dayMs = 86_400_000;

export interface AndroidDevice {
  /** PEM. */
  readonly root: string;
  /** The certificates of a key that is made for the challenge, its own first. */
  attest(
    challenge: Uint8Array,
    app: { readonly appId: string; readonly certDigest: Uint8Array },
  ): Promise<Uint8Array[]>;
}

const newKeys = () => webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
const valid = () => ({ notBefore: new Date(Date.now() - dayMs), notAfter: new Date(Date.now() + dayMs) });
const octets = (bytes: Uint8Array) => new OctetString({ valueHex: Uint8Array.from(bytes) });
const tag = (tagNumber: number, value: BaseBlock) =>
  new Constructed({ idBlock: { tagClass: 3, tagNumber }, value: [value] });
const list = (...value: BaseBlock[]) => new Sequence({ value });

export async function androidDevice(): Promise<AndroidDevice> {
  const keys = await newKeys();
  const root = await x509.X509CertificateGenerator.createSelfSigned({
    ...{ name: 'CN=A maker', keys, signingAlgorithm: algorithm, ...valid() },
    extensions: [new x509.BasicConstraintsExtension(true, undefined, true)],
  });
  return {
    root: root.toString('pem'),
    attest: async (challenge, { appId, certDigest }) => {
      const applicationId = list(
        new Asn1Set({ value: [list(octets(Buffer.from(appId)), new Integer({ value: 1 }))] }),
        new Asn1Set({ value: [octets(certDigest)] }),
      );
      const rootOfTrust = list(
        ...[octets(new Uint8Array(32)), new Asn1Boolean({ value: true }), new Enumerated({ value: 0 })],
        octets(new Uint8Array(32)),
      );
      const description = list(
        ...[new Integer({ value: 200 }), new Enumerated({ value: 1 })],
        ...[new Integer({ value: 200 }), new Enumerated({ value: 1 })],
        ...[octets(challenge), octets(new Uint8Array())],
        list(tag(709, octets(new Uint8Array(applicationId.toBER())))),
        list(tag(704, rootOfTrust)),
      );
      const leaf = await x509.X509CertificateGenerator.create({
        ...{ subject: 'CN=Android Keystore Key', issuer: root.subject, ...valid() },
        ...{
          publicKey: (await newKeys()).publicKey,
          signingKey: keys.privateKey,
          signingAlgorithm: algorithm,
        },
        extensions: [new x509.Extension(keyDescriptionOid, false, description.toBER())],
      });
      return [new Uint8Array(leaf.rawData), new Uint8Array(root.rawData)];
    },
  };
}
