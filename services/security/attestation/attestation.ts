import { SallyportError } from '#core/errors/error.ts';

/** What a device shows, and for what. */
export interface Evidence {
  /** As the platform gives it; which parts there are is the format's to say. */
  readonly data: readonly Uint8Array[];
  /** 32 bytes, which the platform has signed over: new for each enrolment. */
  readonly challenge: Uint8Array;
  /** The app that the activation code is bound to. */
  readonly appId: string;
  /** Unix milliseconds. */
  readonly nowMs: number;
}

/** What a platform vouches for. Survives JSON. */
export interface Attested {
  readonly format: string;
  /** Where the platform keeps the key that it attests. */
  readonly level: 'secure-enclave' | 'tee' | 'strongbox';
  /** SHA-256 of the certificate that the app is signed with, hexadecimal; empty where the platform does not say. */
  readonly certDigest: string;
  /** How the device was booted; empty where the platform does not say. */
  readonly boot: '' | 'verified' | 'self-signed' | 'unverified' | 'failed';
}

/** One platform's. Pure: no network, no clock of its own. @throws ATTESTATION_INVALID, saying what is wrong */
export type VerifyAttestation = (evidence: Evidence) => Attested;

/** By format, as the contract names it. */
export type AttestationVerifiers = ReadonlyMap<string, VerifyAttestation>;

export function invalidAttestation(what: string, cause?: unknown): SallyportError {
  return new SallyportError('ATTESTATION_INVALID', {
    message: `the attestation of the app is not valid: ${what}`,
    ...(cause !== undefined && { cause }),
  });
}

/** @throws ATTESTATION_INVALID, also for a format that is not taken here */
export function verifyAttestation(
  verifiers: AttestationVerifiers,
  format: string,
  evidence: Evidence,
): Attested {
  const verify = verifiers.get(format);
  if (verify === undefined) throw invalidAttestation(`the format "${format}" is not taken here`);
  try {
    return verify(evidence);
  } catch (error) {
    // Whatever a parser makes of garbage.
    throw error instanceof SallyportError ? error : invalidAttestation('it cannot be read', error);
  }
}

/** Posture claims that the tier makes itself; an app's own of these names do not count. */
export const ownClaims = /^attestation(?:\.|$)/;

/** What is attested, as claims for the policy. */
export const claimsOf = ({ format, level, boot }: Attested): Readonly<Record<string, string>> => ({
  attestation: format,
  'attestation.level': level,
  ...(boot !== '' && { 'attestation.boot': boot }),
});
