import { dirname, relative, resolve } from 'node:path';
import { z } from 'zod';
import { SallyportError } from '#core/errors/error.ts';
import { loadPolicy } from '#core/policy/compile.ts';
import { explain } from '#core/policy/explain.ts';
import { grantReasons } from '#core/policy/grant.ts';
import type { Policy } from '#core/policy/policy.ts';
import type { CommandContext, CommonOptions } from '../command.ts';
import type { Outcome } from '../report.ts';
import { readDocument } from './read-document.ts';
import { requestOf } from './request-text.ts';

export interface PolicyTestOptions extends CommonOptions {
  readonly policy?: string;
}

const expectation = z.strictObject({
  /** What is expected, in words. */
  name: z.string().min(1).optional(),
  user: z.string().min(1).default('somebody'),
  groups: z.array(z.string()).default([]),
  app: z
    .strictObject({
      platform: z.string().default(''),
      id: z.string(),
      version: z.string().default(''),
      certDigest: z.string().default(''),
      osVersion: z.string().default(''),
      posture: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])).default({}),
    })
    .optional(),
  /** How strongly the user has proved who they are. */
  authLevel: z.int().min(0).max(9).default(1),
  /** `GET intranet.example/news` */
  request: z.string().min(1),
  /** Address of the phone. */
  from: z.string().optional(),
  /** Site whose proxy it asks. */
  site: z.string().optional(),
  /** When, with a time zone; default now. */
  at: z.iso.datetime({ offset: true }).optional(),
  expect: z.enum(['allow', 'deny']),
  /** And why. */
  reason: z.enum(grantReasons).optional(),
});
const fileSchema = z.strictObject({
  /** File of the policy, from the folder of this one. */
  policy: z.string().min(1).optional(),
  tests: z.array(expectation).min(1).max(10_000),
});
type Expectation = z.output<typeof expectation>;

const hourMs = 3_600_000;

/** `sallyport policy test`: needs no mesh. */
export async function runPolicyTest(
  file: string,
  o: PolicyTestOptions,
  command: CommandContext,
): Promise<Outcome> {
  const { report, cwd, clock } = command;
  const parsed = fileSchema.safeParse(await readDocument(file, command));
  if (!parsed.success) {
    throw new SallyportError('CONFIG_INVALID', {
      message: `${file}: ${z.prettifyError(parsed.error)}`,
      hint: '`sallyport policy test --help` shows how such a file looks',
    });
  }
  const { tests, policy: named } = parsed.data;
  const policyFile = o.policy ?? (named && (relative(cwd, resolve(cwd, dirname(file), named)) || named));
  if (policyFile === undefined) {
    throw new SallyportError('CONFIG_INVALID', {
      message: `${file} does not name a policy`,
      hint: 'add `policy: FILE` to it, or use --policy FILE',
    });
  }
  const policy = loadPolicy(await readDocument(policyFile, command), 0);
  const results = tests.map((test) => tryOut(test, policy, clock.now()));
  const failed = results.filter(({ ok }) => !ok);
  for (const { name, wanted, got, explanation } of failed) {
    report.say(`✗ ${name}: expected ${wanted}, got ${got}: ${explanation}`);
  }
  return {
    ok: failed.length === 0,
    figures: [
      {
        name: 'expectations met',
        value: results.length - failed.length,
        unit: `of ${results.length}`,
        goal: String(results.length),
        ok: failed.length === 0,
      },
    ],
    items: { items: results },
  };
}

function tryOut(test: Expectation, policy: Policy, nowMs: number) {
  const at = test.at === undefined ? nowMs : Date.parse(test.at);
  const { id, ...app } = test.app ?? { id: '' };
  const { grant } = explain(
    {
      user: test.user,
      groups: test.groups,
      deviceId: test.app === undefined ? '' : 'tested',
      expiresAt: at + hourMs,
      authLevel: test.authLevel,
      ...(test.app && { app: { ...test.app, ...app, platform: test.app.platform.toLowerCase(), appId: id } }),
    },
    {
      ...requestOf(test.request),
      ...(test.from !== undefined && { clientAddress: test.from }),
      ...(test.site !== undefined && { site: test.site }),
    },
    policy,
    at,
  );
  const decision = grant.allow ? 'allow' : 'deny';
  const ok = decision === test.expect && (test.reason === undefined || test.reason === grant.reason);
  return {
    name: test.name ?? `${test.user}: ${test.request}`,
    ok,
    wanted: [test.expect, test.reason].filter((part) => part !== undefined).join(' '),
    got: `${decision} ${grant.reason}`,
    explanation: grant.explain,
  };
}
