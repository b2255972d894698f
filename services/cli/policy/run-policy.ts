import { randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { toJson } from '@bufbuild/protobuf';
import { stringify } from 'yaml';
import { SallyportError } from '#core/errors/error.ts';
import { changedFields } from '#core/policy/changed-fields.ts';
import { parsePolicy } from '#core/policy/parse.ts';
import {
  type ApplyPolicyResponse,
  Policy,
  type PolicyEffect,
  PolicyVersionSchema,
} from '#gen/sallyport/policy/v1/policy_pb.js';
import { askTier } from '../ask-tier.ts';
import type { CommandContext, CommonOptions } from '../command.ts';
import { UsageError } from '../failure.ts';
import { type ListOptions, readList, showList } from '../list.ts';
import type { Outcome } from '../report.ts';
import { timeText } from '../time-text.ts';
import { readProposal } from './proposals.ts';
import { readDocument } from './read-document.ts';

export interface PolicyShowOptions extends CommonOptions {
  readonly version?: number;
  readonly output: 'yaml' | 'json';
}

export interface PolicyApplyOptions extends CommonOptions {
  readonly dryRun?: boolean;
  readonly expect?: number;
}

export interface PolicyDiffOptions extends CommonOptions {
  readonly proposal?: number;
}

/** Characters of a value in a line. */
const maxShown = 120;

/** A dry run decides some ten thousand requests. */
export const applyMs = 60_000;

/** `sallyport policy show` */
export async function runPolicyShow(o: PolicyShowOptions, command: CommandContext): Promise<Outcome> {
  const { version, document } = await readPolicy(command, o.version ?? 0);
  const text = o.output === 'json' ? `${JSON.stringify(document, null, 2)}\n` : stringify(document);
  command.report.say(text.trimEnd());
  command.err(`version ${version?.version}, by ${version?.author}, ${timeText(version?.createdAt)}\n`);
  return {
    ok: true,
    items: { version: version && toJson(PolicyVersionSchema, version), policy: document },
  };
}

/** `sallyport policy apply` */
export async function runPolicyApply(
  file: string,
  o: PolicyApplyOptions,
  command: CommandContext,
): Promise<Outcome> {
  const { report } = command;
  const document = await readDocument(file, command);
  // Here, too, so that what is wrong is told without a mesh.
  parsePolicy(document);
  const applied = await apply(command, document, { dryRun: o.dryRun === true, expected: o.expect ?? 0 });
  tellEffects(applied, command, o.dryRun === true || applied.unchanged ? 'would ' : '');
  if (o.dryRun) report.say(`Nothing was changed: version ${applied.version} is in force.`);
  else if (applied.unchanged) report.say(`It is version ${applied.version} already.`);
  else report.say(`It is version ${applied.version}, and in force everywhere within seconds.`);
  return {
    ok: true,
    items: {
      version: Number(applied.version),
      applied: o.dryRun !== true && !applied.unchanged,
      ...effectsJson(applied),
    },
  };
}

/** `sallyport policy diff` */
export async function runPolicyDiff(
  file: string,
  { proposal }: PolicyDiffOptions,
  command: CommandContext,
): Promise<Outcome> {
  const { report } = command;
  if ((file === '') === (proposal === undefined))
    throw new UsageError('name a file, or a proposal', '`sallyport policy list` shows proposals');
  const document =
    proposal === undefined
      ? await readDocument(file, command)
      : (await readProposal(proposal, command)).document;
  const after = resourcesOf(document);
  const current = await readPolicy(command, 0);
  const before = resourcesOf(current.document);
  const added = [...after.keys()].filter((name) => !before.has(name));
  const removed = [...before.keys()].filter((name) => !after.has(name));
  const changed = [...after.keys()].filter(
    (name) => before.has(name) && !isDeepStrictEqual(before.get(name), after.get(name)),
  );
  for (const name of removed) report.say(`- ${name}`);
  for (const name of added) report.say(`+ ${name}`);
  const fields = changed.map((resource) => ({
    resource,
    changes: changedFields(before.get(resource), after.get(resource)),
  }));
  for (const { resource, changes } of fields) {
    report.say(`~ ${resource}`);
    for (const { path, before: was, after: is } of changes)
      report.say(`    ${path}: ${shown(was)} → ${shown(is)}`);
  }
  const { version = 0n } = current.version ?? {};
  if (added.length + removed.length + changed.length === 0)
    report.say(`No resource differs from version ${version}.`);
  const effects = await apply(command, document, { dryRun: true, expected: 0 });
  tellEffects(effects, command);
  return {
    ok: true,
    items: { against: Number(version), added, removed, changed, fields, ...effectsJson(effects) },
  };
}

/** A value in a line; what is long is cut, for `--json` has it whole. */
function shown(value: unknown): string {
  if (value === undefined) return '-';
  const text = JSON.stringify(value);
  return text.length > maxShown ? `${text.slice(0, maxShown)}…` : text;
}

/** `sallyport policy versions` */
export async function runPolicyVersions(o: ListOptions, command: CommandContext): Promise<Outcome> {
  const { signal } = command;
  const list = await readList(o, command, (page) =>
    askTier(command, Policy, async (policy) => {
      const { versions, nextPageToken } = await policy.listVersions(page, { signal });
      return { entries: versions, next: nextPageToken };
    }),
  );
  return showList(command, list, {
    what: ['version', 'versions'],
    head: ['version', 'applied', 'by', 'signed by'],
    row: ({ version, createdAt, author, signedBy }) => [
      String(version),
      timeText(createdAt),
      author,
      signedBy || '-',
    ],
    json: (version) => toJson(PolicyVersionSchema, version, { alwaysEmitImplicit: true }),
  });
}

type Effects = Pick<
  ApplyPolicyResponse,
  'effects' | 'sessions' | 'recordedEffects' | 'decisions' | 'decisionsSince'
>;

async function readPolicy(command: CommandContext, version: number) {
  const found = await askTier(command, Policy, (policy) =>
    policy.getPolicy({ version: BigInt(version) }, { signal: command.signal }),
  );
  if (found.version === undefined) throw new SallyportError('MALFORMED');
  return { version: found.version, document: JSON.parse(found.documentJson) as unknown };
}

function apply(
  command: CommandContext,
  document: unknown,
  how: { readonly dryRun: boolean; readonly expected: number },
): Promise<ApplyPolicyResponse> {
  const request = {
    requestKey: randomUUID(),
    documentJson: JSON.stringify(document),
    dryRun: how.dryRun,
    expectedVersion: BigInt(how.expected),
  };
  return askTier(command, Policy, (policy) =>
    policy.applyPolicy(request, { signal: command.signal, timeoutMs: applyMs }),
  );
}

export function tellEffects(
  told: Effects,
  { report }: CommandContext,
  would: 'would ' | '' = 'would ',
): void {
  const users = (names: readonly string[]): string =>
    `${names.length} ${names.length === 1 ? 'user' : 'users'} (${names.slice(0, 5).join(', ')}${names.length > 5 ? ', …' : ''})`;
  const tell = (effects: readonly PolicyEffect[], like: (effect: PolicyEffect) => string): void => {
    for (const effect of effects) {
      const { resource, gain, lose } = effect;
      if (lose.length > 0) report.say(`${users(lose)} ${would}lose ${resource}${like(effect)}`);
      if (gain.length > 0) report.say(`${users(gain)} ${would}gain ${resource}${like(effect)}`);
    }
  };
  const { effects, sessions, recordedEffects, decisions, decisionsSince } = told;
  tell(effects, () => '');
  report.say(`Sessions looked at: ${sessions}, ${effects.length === 0 ? 'none concerned' : 'as above'}.`);
  tell(recordedEffects, ({ example }) => `, as by ${example}`);
  const since = decisions === 0 ? '' : ` since ${timeText(decisionsSince)}`;
  const end = recordedEffects.length === 0 ? 'none otherwise now' : 'as above';
  report.say(`Recorded decisions${since} made again: ${decisions}, ${end}.`);
}

export const effectsJson = (told: Effects) => ({
  sessions: told.sessions,
  effects: told.effects.map(({ resource, gain, lose }) => ({ resource, gain, lose })),
  recorded: {
    decisions: told.decisions,
    ...(told.decisionsSince && { since: timeText(told.decisionsSince) }),
    effects: told.recordedEffects.map(({ resource, gain, lose, example }) => ({
      ...{ resource, gain, lose, example },
    })),
  },
});

/** Resources by name, with defaults filled in, so that only what means something else differs. @throws POLICY_INVALID */
const resourcesOf = (document: unknown): Map<string, unknown> =>
  new Map(parsePolicy(document).resources.map((resource) => [resource.name, resource]));
