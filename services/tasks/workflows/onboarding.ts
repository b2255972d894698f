import { SallyportError } from '#core/errors/error.ts';
import { OnboardingRequestSchema } from '#gen/sallyport/workflow/v1/workflow_pb.js';
import type { Connectors } from '../connectors/connectors.ts';
import { runEffect } from '../connectors/run-effect.ts';
import type { Account } from '../connectors/tier.ts';
import type { TaskContext, TaskDefinition } from '../engine/definition.ts';
import { approval } from '../work-items/ask.ts';
import { approvers } from './approvers.ts';
import { readForm } from './request.ts';
import { changeGroups, mailActivation, tell, unlessGone } from './steps.ts';

/** Approval, account, groups on several resources, keys, notification. What was done is taken back if a later step fails. */
export const onboarding = (connectors: () => Connectors): TaskDefinition => ({
  kind: 'onboarding',
  version: 1,
  summary: 'an account, groups and an activation for somebody new',
  run: async (context, given) => {
    const request = readForm(OnboardingRequestSchema, given);
    const { user, groups, directoryGroups, appId, mail } = request;
    const said = await approval(context, 'approval', {
      title: `May ${user} begin?`,
      details: { user, groups, app: appId, directoryGroups: directoryGroups.map(({ groupDn }) => groupDn) },
      ...approvers('operator'),
      except: [user],
    });
    if (said === undefined) return { outcome: 'unanswered' };
    if (!said.approved) return { outcome: 'refused', by: said.by, comment: said.comment };
    const all = connectors();
    await ensureAccount(context, all, user, request.displayName, groups);
    await changeGroups(context, 'directory', all, directoryGroups, true);
    if (appId !== '' && mail !== undefined)
      await mailActivation(context, 'activation', all, { user, appId, to: mail });
    else await tell(context, 'news', all, mail, 'Your account', `Hello ${user},\n\nyour account is ready.\n`);
    return { outcome: 'done', by: said.by };
  },
});

async function ensureAccount(
  context: TaskContext,
  { tier }: Connectors,
  name: string,
  displayName: string,
  groups: readonly string[],
): Promise<void> {
  const before = await context.step<Account | null>('look', async (run) => {
    try {
      return await tier.account.act({ name }, run);
    } catch (error) {
      if (SallyportError.from(error).reason === 'NOT_FOUND') return null;
      throw error;
    }
  });
  if (before === null) {
    await runEffect(
      context,
      'account',
      tier.createAccount,
      { name, displayName, groups },
      {
        undo: (_, run) =>
          unlessGone(() => tier.removeAccount.act({ name, reason: 'onboarding was taken back' }, run)),
      },
    );
    return;
  }
  const missing = groups.filter((each) => !before.groups.includes(each));
  if (missing.length === 0) return;
  await runEffect(
    context,
    'groups',
    tier.changeAccount,
    { name, addGroups: missing },
    { undo: (_, run) => unlessGone(() => tier.changeAccount.act({ name, removeGroups: missing }, run)) },
  );
}
