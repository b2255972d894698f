import { SallyportError } from '#core/errors/error.ts';
import {
  IdentityCheckSchema,
  IdentityProof,
  PasswordResetRequestSchema,
} from '#gen/sallyport/workflow/v1/workflow_pb.js';
import type { Connectors } from '../connectors/connectors.ts';
import type { TaskDefinition } from '../engine/definition.ts';
import { form } from '../work-items/ask.ts';
import { approvers } from './approvers.ts';
import { readForm } from './request.ts';
import { mailPassword } from './steps.ts';

/** The helpdesk makes sure who it is; the new password is seen by its owner only, and ends all sessions. */
export const passwordReset = (connectors: () => Connectors): TaskDefinition => ({
  kind: 'password-reset',
  version: 1,
  summary: 'a new password, once the helpdesk has made sure who asks',
  run: async (context, given) => {
    const { user, mail } = readForm(PasswordResetRequestSchema, given);
    if (mail === undefined) throw new SallyportError('INVALID_FIELD');
    const check = await form(context, 'identity', {
      title: `Is it ${user} who wants a new password?`,
      details: { user, mail: mail.addresses },
      form: IdentityCheckSchema,
      ...approvers('helpdesk'),
      except: [user],
    });
    if (check === undefined) return { outcome: 'unanswered' };
    const { proof, note } = check.values;
    if (proof === IdentityProof.REFUSED) return { outcome: 'refused', by: check.by, note };
    await mailPassword(context, 'password', connectors(), { user, to: mail });
    return { outcome: 'done', by: check.by, proof: IdentityProof[proof] };
  },
});
