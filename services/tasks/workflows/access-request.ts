import { durationMs } from '@bufbuild/protobuf/wkt';
import { SallyportError } from '#core/errors/error.ts';
import {
  type AccessRequest,
  AccessRequestSchema,
  type DirectoryGroup,
} from '#gen/sallyport/workflow/v1/workflow_pb.js';
import type { Connectors } from '../connectors/connectors.ts';
import { runEffect } from '../connectors/run-effect.ts';
import type { TaskContext, TaskDefinition } from '../engine/definition.ts';
import { approval } from '../work-items/ask.ts';
import { approvers } from './approvers.ts';
import { readForm, requireOwn } from './request.ts';
import { changeGroups, tell, unlessGone } from './steps.ts';

/** Milliseconds before the end in which it is asked whether it is still needed, at most; and the share of the time. */
const longestLeadMs = 7 * 86_400_000;
const leadShare = 0.25;
/** Times that it begins anew. */
const maxRounds = 40;

/** A group for some time. Whoever cancels the task takes it away at once. */
export const accessRequest = (connectors: () => Connectors): TaskDefinition => ({
  kind: 'access-request',
  version: 1,
  summary: 'a group for some time, if an operator allows it',
  forAnyone: true,
  run: async (context, given) => {
    const request = readForm(AccessRequestSchema, given);
    requireOwn(context.submitter, request.user);
    const all = connectors();
    const { user, group, mail } = request;
    const news = (name: string, text: string): Promise<void> =>
      tell(context, name, all, mail, `Access to ${group}`, `Hello ${user},\n\n${text}\n`);
    const account = await runEffect(context, 'look', all.tier.account, { name: user });
    if (account.groups.includes(group)) return { outcome: 'had already' };
    const fromSource = account.source !== '';
    if (fromSource && request.directoryGroups.length === 0) {
      throw new SallyportError('SOURCE_OWNS', {
        message: `${user} has groups from ${account.source}: name the directory's`,
      });
    }
    const said = await ask(context, 'approval', request, approvers('operator'));
    if (said?.approved !== true) {
      await news(
        'refusal',
        said === undefined ? 'nobody has answered your request.' : `it was refused. ${said.comment}`,
      );
      return said === undefined ? { outcome: 'unanswered' } : { outcome: 'refused', by: said.by };
    }
    const granted = await grant(context, all, request, fromSource);
    await news('grant', 'you have it now.');
    const rounds = await untilOver(context, request);
    await take(context, all, request, fromSource, granted);
    await news('end', 'it is over.');
    return { outcome: 'over', by: said.by, rounds };
  },
});

const ask = (
  context: TaskContext,
  name: string,
  { user, group, reason, directoryGroups }: AccessRequest,
  whom: ReturnType<typeof approvers>,
) =>
  approval(context, name, {
    title: name === 'approval' ? `May ${user} be in ${group}?` : `Does ${user} still need ${group}?`,
    details: { user, group, reason, directoryGroups: directoryGroups.map(({ groupDn }) => groupDn) },
    ...whom,
    except: [user],
  });

async function grant(
  context: TaskContext,
  all: Connectors,
  { user: name, group, directoryGroups }: AccessRequest,
  fromSource: boolean,
): Promise<readonly DirectoryGroup[]> {
  const { changeAccount } = all.tier;
  if (!fromSource) {
    await runEffect(
      context,
      'grant group',
      changeAccount,
      { name, addGroups: [group] },
      { undo: (_, run) => unlessGone(() => changeAccount.act({ name, removeGroups: [group] }, run)) },
    );
  }
  return changeGroups(context, 'grant directory', all, directoryGroups, true);
}

/** What it gave, and no more. */
async function take(
  context: TaskContext,
  all: Connectors,
  { user: name, group }: AccessRequest,
  fromSource: boolean,
  groups: readonly DirectoryGroup[],
): Promise<void> {
  if (!fromSource) {
    const change = { name, removeGroups: [group] };
    await unlessGone(() => runEffect(context, 'take group', all.tier.changeAccount, change));
  }
  await changeGroups(context, 'take directory', all, groups, false);
}

/** Waits until the time is over and nobody says that it is still needed; gives how many times it has lasted. */
async function untilOver(context: TaskContext, request: AccessRequest): Promise<number> {
  const ms = request.duration === undefined ? 0 : durationMs(request.duration);
  const leadMs = request.recertify ? Math.min(ms * leadShare, longestLeadMs) : 0;
  for (let round = 1; ; round++) {
    await context.sleep(`time ${round}`, ms - leadMs);
    if (!request.recertify || round > maxRounds) return round;
    const whom = { to: { roles: ['operator'] }, withinMs: leadMs };
    const still = await ask(context, `still needed ${round}`, request, whom);
    if (still?.approved !== true) return round;
  }
}
