import { counter } from '#kernel/telemetry/metrics.ts';

/** What this pod counts. Attributes come from small sets: never a session, a user or a path. */
export const counts = {
  attached: counter('sallyport.attachment.made', { unit: '{attachment}', description: 'Attachments made.' }),
  decisions: counter('sallyport.relay.decision', {
    unit: '{decision}',
    description: 'Requests decided: `leased` here, `renewed` after asking the tier, `denied`.',
  }),
  revoked: counter('sallyport.attachment.revoked', {
    unit: '{attachment}',
    description: 'Attachments ended by an entry of the revocation feed.',
  }),
} as const;
