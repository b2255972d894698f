import { z } from 'zod';
import { bytes, duration, path, port } from '#kernel/config/primitives.ts';

const name = () =>
  z
    .string()
    .regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, 'must be 1 to 63 of a-z, 0-9 and -')
    .describe('By which resources (`backend`) and tasks name it; once in all groups.');
/** A DNS domain, in lower case. */
export const domainName = () =>
  z
    .string()
    .max(253)
    .regex(
      /^([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]*[a-z0-9])?$/,
      'must be a DNS domain in lower case',
    );

const limits = z
  .strictObject({
    calls: z
      .int()
      .min(1)
      .max(10_000)
      .default(64)
      .describe('Calls under way at one gateway; more are refused.'),
    timeout: duration({ min: 100 })
      .optional()
      .describe('For a whole call; without it a call lasts as long as it likes.'),
    idle: duration({ min: 100 }).default(60_000).describe('Without a byte either way.'),
    maxRequest: bytes({ min: 0 })
      .default(64 * 2 ** 20)
      .describe('What a caller may send.'),
    maxAnswer: bytes({ min: 0 })
      .optional()
      .describe('What a target may answer; without it, as much as it likes.'),
  })
  .prefault({});

const common = {
  name: name(),
  domain: domainName()
    .optional()
    .describe("The target's domain; without it that of the group. One of another forest is refused."),
  limits,
};
const ca = () =>
  path().optional().describe("PEM of the authorities that it is checked by; by default the system's.");

/** What a gateway reaches, by kind. */
export const gatewayTarget = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('http').describe('An HTTP server.'),
    ...common,
    url: z
      .url({ protocol: /^https?$/ })
      .describe('http or https; its path is put before that of each request.'),
    caFile: ca(),
  }),
  z.strictObject({
    kind: z.literal('tcp').describe('A server of any protocol: bytes go both ways as they come.'),
    ...common,
    host: z.string().min(1).max(253).describe('Name or address.'),
    port: port().describe('Port.'),
    tls: z.boolean().default(false).describe('Whether the gateway speaks TLS with it.'),
    caFile: ca(),
  }),
  z.strictObject({
    kind: z.literal('ldap').describe('A directory.'),
    ...common,
    url: z
      .url({ protocol: /^ldaps?$/ })
      .describe('ldaps; ldap only on the loopback interface, or with startTls.'),
    startTls: z.boolean().default(false).describe('TLS on a connection that begins without.'),
    bindDn: z.string().max(4096).default('').describe('Account; empty: nobody.'),
    passwordFile: path().optional().describe('File with its password.'),
    caFile: ca(),
    operations: z
      .array(z.enum(['search', 'compare', 'modify']))
      .min(1)
      .default(['search', 'compare'])
      .describe('What callers may do.'),
    maxEntries: z.int().min(1).max(1_000_000).default(10_000).describe('Entries of one search.'),
  }),
  z.strictObject({
    kind: z.literal('command').describe('A program on the gateway, run without a shell.'),
    ...common,
    argv: z
      .array(z.string().max(4096))
      .min(1)
      .max(64)
      .describe('Absolute path and arguments; `{name}` stands for a parameter.'),
    parameters: z
      .record(
        z.string().regex(/^[a-z][a-z0-9_]{0,63}$/, 'must be a lower-case name'),
        z
          .string()
          .max(500)
          .refine(isPattern, 'must be a regular expression')
          .describe('What its whole value must match (a regular expression).'),
      )
      .default({}),
    env: z.record(z.string(), z.string()).default({}).describe("The program's whole environment."),
  }),
]);
export type GatewayTarget = z.output<typeof gatewayTarget>;
export type TargetOf<K extends GatewayTarget['kind']> = Extract<GatewayTarget, { kind: K }>;

function isPattern(text: string): boolean {
  try {
    new RegExp(text, 'u');
    return true;
  } catch {
    return false;
  }
}

/** Names between braces in a command line. */
export const placeholdersIn = (argv: readonly string[]): string[] =>
  argv.flatMap((each) => [...each.matchAll(/\{([^{}]*)\}/g)].map((match) => match[1] ?? ''));
