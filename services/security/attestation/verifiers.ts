import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { SallyportError } from '#core/errors/error.ts';
import type { SecurityConfig } from '../config.ts';
import { androidKey, serialOf } from './android-key.ts';
import { appAttest } from './app-attest.ts';
import type { AttestationVerifiers, VerifyAttestation } from './attestation.ts';

/** https://android.googleapis.com/attestation/status: whatever is in it is suspended or revoked. */
const revokedList = z.object({ entries: z.record(z.string(), z.unknown()) });

/** The formats that this pod takes: another platform is another line here. @throws CONFIG_INVALID */
export async function attestationVerifiers(
  config: SecurityConfig['attestation'],
): Promise<AttestationVerifiers> {
  const { appleTeams: teams, appleEnvironment: environment, androidRevoked, androidRoots } = config;
  const verifiers = new Map<string, VerifyAttestation>();
  if (teams.length > 0) verifiers.set('apple-app-attest', appAttest({ teams, environment }));
  try {
    const revoked = androidRevoked === undefined ? [] : serialsOf(await readFile(androidRevoked, 'utf8'));
    const roots = androidRoots === undefined ? undefined : pemsOf(await readFile(androidRoots, 'utf8'));
    verifiers.set('android-key', androidKey({ revoked: new Set(revoked), ...(roots && { roots }) }));
  } catch (cause) {
    throw new SallyportError('CONFIG_INVALID', {
      message: `a file of "attestation" cannot be read: ${cause instanceof Error ? cause.message : cause}`,
      cause,
    });
  }
  return verifiers;
}

const serialsOf = (json: string): string[] =>
  Object.keys(revokedList.parse(JSON.parse(json)).entries).map(serialOf);

function pemsOf(text: string): string[] {
  const pems = text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g);
  if (pems === null) throw new Error('there is no certificate in it');
  return pems;
}
