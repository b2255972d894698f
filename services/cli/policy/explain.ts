import { Policy } from '#gen/sallyport/policy/v1/policy_pb.js';
import { askTier } from '../ask-tier.ts';
import type { CommandContext, CommonOptions } from '../command.ts';
import type { Outcome } from '../report.ts';
import { readDocument } from './read-document.ts';
import { requestOf } from './request-text.ts';

export interface PolicyExplainOptions extends CommonOptions {
  readonly user: string;
  readonly app?: string;
  readonly appVersion: string;
  readonly platform: string;
  readonly osVersion: string;
  readonly posture?: readonly string[];
  readonly address: string;
  readonly site: string;
  readonly policy?: string;
  readonly request: string;
}

/** `sallyport policy explain` */
export async function runPolicyExplain(
  url: string,
  o: PolicyExplainOptions,
  command: CommandContext,
): Promise<Outcome> {
  const { report, signal } = command;
  const documentJson = o.policy === undefined ? '' : JSON.stringify(await readDocument(o.policy, command));
  const posture = Object.fromEntries(
    (o.posture ?? []).map((claim) => {
      const [name = '', ...value] = claim.split('=');
      return [name, value.join('=')];
    }),
  );
  const app = {
    platform: o.platform,
    appId: o.app ?? '',
    version: o.appVersion,
    osVersion: o.osVersion,
    posture,
  };
  const asked = requestOf(`${o.request} ${url}`);
  const answer = await askTier(command, Policy, (policy) =>
    policy.explain(
      {
        user: o.user,
        ...(o.app !== undefined && { app }),
        ...asked,
        clientAddress: o.address,
        site: o.site,
        documentJson,
      },
      { signal },
    ),
  );
  report.say(`${answer.allow ? 'ALLOWED' : 'DENIED'} (${answer.reason}): ${answer.explanation}`);
  report.say(`${o.user} is in ${answer.groups.join(', ') || 'no group'}; resource ${answer.resource || '-'}`);
  for (const { rule, effect, matches, explanation } of answer.rules) {
    report.say(`  ${matches ? '✓' : '·'} ${effect} "${rule}": ${explanation}`);
  }
  const { allow, reason, explanation, resource, rule, groups } = answer;
  const rules = answer.rules.map(({ $typeName: _, ...outcome }) => outcome);
  return {
    ok: true,
    items: {
      allow,
      reason,
      explanation,
      resource,
      rule,
      groups,
      rules,
      policyVersion: Number(answer.policyVersion),
    },
  };
}
