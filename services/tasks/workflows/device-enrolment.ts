import { SallyportError } from '#core/errors/error.ts';
import { DeviceEnrolmentRequestSchema } from '#gen/sallyport/workflow/v1/workflow_pb.js';
import type { Connectors } from '../connectors/connectors.ts';
import type { TaskDefinition } from '../engine/definition.ts';
import { approval } from '../work-items/ask.ts';
import { approvers } from './approvers.ts';
import { readForm, requireOwn } from './request.ts';
import { mailActivation, tell } from './steps.ts';

/** Anybody may ask for a device of their own; the helpdesk says whether. */
export const deviceEnrolment = (connectors: () => Connectors): TaskDefinition => ({
  kind: 'device-enrolment',
  version: 1,
  summary: 'an activation for a device, if the helpdesk allows it',
  forAnyone: true,
  run: async (context, given) => {
    const { user, appId, reason, mail } = readForm(DeviceEnrolmentRequestSchema, given);
    requireOwn(context.submitter, user);
    const said = await approval(context, 'approval', {
      title: `May ${user} enrol a device?`,
      details: { user, app: appId, reason, mail: mail?.addresses ?? [] },
      ...approvers('helpdesk'),
      except: [user],
    });
    const all = connectors();
    if (said?.approved === true) {
      if (mail === undefined) throw new SallyportError('INVALID_FIELD');
      await mailActivation(context, 'activation', all, { user, appId, to: mail });
      return { outcome: 'done', by: said.by };
    }
    const why = said === undefined ? 'Nobody has answered.' : said.comment;
    await tell(
      context,
      'news',
      all,
      mail,
      'Your device',
      `Hello ${user},\n\n${appId} was not allowed. ${why}\n`,
    );
    return said === undefined ? { outcome: 'unanswered' } : { outcome: 'refused', by: said.by };
  },
});
