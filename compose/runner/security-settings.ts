import type { z } from 'zod';
import { securityConfig } from '#services/security/config.ts';
import { parseGiven, readGiven } from './given-file.ts';

/** What of security pods' configuration is for whoever runs the mesh to say; the rest the runner knows better. */
export const securitySettings = securityConfig.pick({
  ...{ oidc: true, roles: true, policy: true, attestation: true, sources: true, sessions: true },
  logLevel: true,
});

/** As security pods take them. */
export type SecuritySettings = z.input<typeof securitySettings>;

/** The text of a security.yaml. @throws CONFIG_INVALID when it cannot be read */
export const readSecuritySettings = (file: string): string => readGiven(file, '--security-config');

/** @throws CONFIG_INVALID naming what is wrong */
export const parseSecuritySettings = (text: string, source: string): SecuritySettings =>
  parseGiven(securitySettings, text, source);
