import { SallyportError } from '#core/errors/error.ts';
import { OffboardingRequestSchema } from '#gen/sallyport/workflow/v1/workflow_pb.js';
import type { Connectors } from '../connectors/connectors.ts';
import { runEffect } from '../connectors/run-effect.ts';
import type { TaskDefinition } from '../engine/definition.ts';
import { readForm } from './request.ts';
import { changeGroups, tell } from './steps.ts';

/**
 * Somebody leaves. The account is disabled, which ends the sessions in the same transaction, and nobody goes on before
 * no proxy accepts one any more. Nothing is taken back when a later step fails: what is left to do is told.
 */
export const offboarding = (connectors: () => Connectors): TaskDefinition => ({
  kind: 'offboarding',
  version: 1,
  summary: 'cut sessions, block devices and take groups away from somebody who leaves',
  run: async (context, given) => {
    const { user: name, reason, directoryGroups, mail } = readForm(OffboardingRequestSchema, given);
    const all = connectors();
    const { tier } = all;
    await runEffect(context, 'disable', tier.changeAccount, { name, disabled: true });
    await runEffect(context, 'cut sessions', tier.endSessions, { user: name, reason });
    const devices = await runEffect(context, 'block devices', tier.blockDevices, { user: name, reason });
    const account = await runEffect(context, 'look', tier.account, { name });
    const left: string[] = [];
    const tried = async (what: string, work: () => Promise<unknown>): Promise<void> => {
      try {
        await work();
      } catch (error) {
        const { reason: why, message } = SallyportError.from(error);
        // Not what has happened to the task.
        if (why === 'CANCELLED' || !(error instanceof SallyportError)) throw error;
        left.push(`${what}: ${message}`);
      }
    };
    if (account.source === '' && account.groups.length > 0) {
      const change = { name, removeGroups: account.groups };
      await tried('groups', () => runEffect(context, 'groups', tier.changeAccount, change));
    }
    for (const [n, each] of directoryGroups.entries()) {
      await tried(each.groupDn, () => changeGroups(context, `directory ${n + 1}:`, all, [each], false));
    }
    const rest = left.length === 0 ? 'Nothing is left to do.' : `Left to do:\n${left.join('\n')}`;
    await tell(
      context,
      'news',
      all,
      mail,
      `${name} has left`,
      `Sessions are cut, ${devices} devices blocked.\n${rest}\n`,
    );
    return { outcome: left.length === 0 ? 'done' : 'left over', devices, left };
  },
});
