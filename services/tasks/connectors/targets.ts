import { z } from 'zod';
import type { DeepReadonly } from '#kernel/config/load-config.ts';
import { duration, path, port } from '#kernel/config/primitives.ts';

const shared = {
  timeoutMs: duration({ min: 100, max: 120_000 })
    .default(10_000)
    .describe('For connecting, and for each answer.'),
  parallel: z.int().min(1).max(100).default(4).describe('Effects under way from one worker at most.'),
  caFile: path().optional().describe("PEM of the target's authorities; by default the machine's."),
};

const ldap = z.strictObject({
  kind: z.literal('ldap'),
  urls: z
    .array(z.url({ protocol: /^ldaps?$/ }))
    .min(1)
    .max(8)
    .describe('Hosts, in the order in which they are asked.'),
  startTls: z.boolean().default(false).describe('Begin TLS on ldap://.'),
  bindDn: z.string().min(1).max(1024).describe('Account that may change groups.'),
  passwordFile: path().describe('File with its password.'),
  memberAttribute: z
    .string()
    .min(1)
    .max(64)
    .default('member')
    .describe('Attribute that names who is in a group.'),
  ...shared,
});

const http = z.strictObject({
  kind: z.literal('http'),
  url: z
    .url({ protocol: /^https?$/ })
    .describe('What is POSTed to. http:// for the loopback interface only.'),
  tokenFile: path().optional().describe('File with a bearer token.'),
  deduplicates: z
    .boolean()
    .describe(
      'It answers a repeated Idempotency-Key as before. If not, a hook whose outcome is unknown is not repeated.',
    ),
  ...shared,
});

const mail = z.strictObject({
  kind: z.literal('mail'),
  host: z.string().min(1).max(253).describe('SMTP server that takes mail for everybody.'),
  port: port().default(587),
  implicitTls: z
    .boolean()
    .default(false)
    .describe('TLS from the first byte (465); else STARTTLS, unless on loopback.'),
  user: z.string().min(1).max(256).optional(),
  passwordFile: path().optional().describe('File with its password.'),
  from: z.email().describe('Whom mail comes from.'),
  again: z
    .boolean()
    .default(true)
    .describe('After a crash mail is sent again under the same Message-ID; false: rather none than two.'),
  ...shared,
});

/** The kinds of targets, for the documentation. */
export const targetKinds = [ldap, http, mail] as const;

/** Outside systems that tasks change, by name. */
export const targetsConfig = z
  .record(z.string().regex(/^[a-z][a-z0-9-]{0,39}$/), z.discriminatedUnion('kind', targetKinds))
  .refine((all) => Object.keys(all).length <= 200, 'are at most 200')
  .default({})
  .describe('Outside systems that tasks change: directories, HTTP hooks, mail servers.');

export type Target = DeepReadonly<z.output<typeof targetsConfig>[string]>;
