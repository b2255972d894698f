import { X509Certificate } from 'node:crypto';
import { invalidAttestation } from './attestation.ts';

const maxLength = 10;

/**
 * Checks a chain of certificates, the leaf first, up to one of the roots (its key is compared, so that the root
 * may be left out or be another certificate of the same key).
 * @returns the certificates without the root
 * @throws ATTESTATION_INVALID
 */
export function checkChain(
  chain: readonly Uint8Array[],
  roots: readonly X509Certificate[],
  nowMs: number,
): readonly [X509Certificate, ...X509Certificate[]] {
  const certificates = chain.slice(0, maxLength).map((der) => new X509Certificate(der));
  const isRoot = (each: X509Certificate) => roots.some((root) => root.publicKey.equals(each.publicKey));
  const below = certificates.filter((each) => !isRoot(each));
  const [leaf, ...above] = below;
  if (leaf === undefined || chain.length > maxLength) {
    throw invalidAttestation(`it has ${chain.length} certificates`);
  }
  for (const [at, certificate] of below.entries()) {
    const issuers = at + 1 < below.length ? above.slice(at, at + 1) : roots;
    if (
      !issuers.some(
        (issuer) => issuer.ca && certificate.verify(issuer.publicKey) && isIssuedBy(certificate, issuer),
      )
    ) {
      throw invalidAttestation(
        `certificate ${at + 1} of the chain is not signed by the next one, or by a root`,
      );
    }
    const from = certificate.validFromDate.getTime();
    const to = certificate.validToDate.getTime();
    if (nowMs < from || nowMs > to) {
      throw invalidAttestation(
        `certificate ${at + 1} of the chain is valid from ${certificate.validFrom} to ${certificate.validTo}`,
      );
    }
  }
  return [leaf, ...above];
}

const isIssuedBy = (certificate: X509Certificate, { subject }: X509Certificate): boolean =>
  certificate.issuer === subject;
