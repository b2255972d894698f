import { X509Certificate } from 'node:crypto';
import { Boolean as Asn1Boolean, type BaseBlock, Integer } from 'asn1js';
import { type Attested, invalidAttestation, type VerifyAttestation } from './attestation.ts';
import { checkChain } from './chain.ts';
import { extensionOf, octetsOf, partsOf, readDer, tagged } from './der.ts';
import { androidRoots } from './roots.ts';

/** KeyDescription, and the tags of its authorisation lists that are read here. */
const keyDescriptionOid = '1.3.6.1.4.1.11129.2.1.17';
const tags = { rootOfTrust: 704, attestationApplicationId: 709 } as const;

const levels = [undefined, 'tee', 'strongbox'] as const;
const boots = ['verified', 'self-signed', 'unverified', 'failed'] as const;

export interface AndroidKeyOptions {
  /** Serial numbers, in lower-case hexadecimal, of certificates that Google has revoked. */
  readonly revoked: ReadonlySet<string>;
  /** PEM; for tests. */
  readonly roots?: readonly string[];
}

/**
 * Android Key Attestation (https://source.android.com/docs/security/features/keystore/attestation). The evidence is
 * the chain of certificates of a key that was made for the challenge, the key's own first. Software keys are refused.
 */
export function androidKey(options: AndroidKeyOptions): VerifyAttestation {
  const roots = (options.roots ?? androidRoots).map((pem) => new X509Certificate(pem));
  return ({ data, challenge, appId, nowMs }) => {
    const chain = checkChain(data, roots, nowMs);
    const revoked = chain.find(({ serialNumber }) => options.revoked.has(serialOf(serialNumber)));
    if (revoked) throw invalidAttestation(`certificate ${revoked.serialNumber} was revoked by Google`);
    const [, level, , , signed, , software, hardware] = partsOf(extensionOf(chain[0].raw, keyDescriptionOid));
    if (!octetsOf(signed).equals(challenge)) throw invalidAttestation('it was made for another challenge');
    const kept = levels[numberOf(level)];
    if (kept === undefined) throw invalidAttestation('its key is kept by software');
    return {
      format: 'android-key',
      level: kept,
      certDigest: signedBy(tagged(software, tags.attestationApplicationId), appId),
      boot: bootOf(tagged(hardware, tags.rootOfTrust)),
    };
  };
}

/** As Google's list spells them: without leading zeros. */
export const serialOf = (hex: string): string => hex.toLowerCase().replace(/^0+(?=.)/, '');

/** SHA-256 of the one certificate that the app is signed with. @throws ATTESTATION_INVALID when it is another app */
function signedBy(applicationId: BaseBlock | undefined, appId: string): string {
  const [packages, signatures] = partsOf(readDer(octetsOf(applicationId)));
  const names = partsOf(packages).map((info) => octetsOf(partsOf(info)[0]).toString());
  if (!names.includes(appId)) throw invalidAttestation(`it is for ${names.join(', ')}, not for ${appId}`);
  const [digest, ...more] = partsOf(signatures).map((each) => octetsOf(each).toString('hex'));
  if (digest === undefined || more.length > 0) throw invalidAttestation('the app has not one signer');
  return digest;
}

function bootOf(rootOfTrust: BaseBlock | undefined): Attested['boot'] {
  if (rootOfTrust === undefined) return '';
  const [, locked, state] = partsOf(rootOfTrust);
  const boot = boots[numberOf(state)] ?? 'failed';
  // Whoever can unlock the boot loader can boot anything.
  return boot === 'verified' && !(locked instanceof Asn1Boolean && locked.getValue()) ? 'unverified' : boot;
}

/** Of an INTEGER or ENUMERATED. */
function numberOf(block: BaseBlock | undefined): number {
  if (block instanceof Integer) return block.valueBlock.valueDec;
  throw invalidAttestation('an ASN.1 value is no number');
}
