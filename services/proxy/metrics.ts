import { counter } from '#kernel/telemetry/metrics.ts';
import { tally } from '#kernel/telemetry/tally.ts';

/** As security pods count theirs: a lease is there where the request arrives. */
export const located = tally(
  'sallyport.decision.located',
  {
    unit: '{decision}',
    description: 'Decisions by how they were asked for and where the session was found.',
  },
  { leased: { how: 'leased', at: 'held' } },
);

/** What this pod counts. Attributes come from small sets: never a session, a user or a path. */
export const counts = {
  attached: counter('sallyport.attachment.made', { unit: '{attachment}', description: 'Attachments made.' }),
  decisions: counter('sallyport.relay.decision', {
    unit: '{decision}',
    description: 'Requests decided: `leased` here, `renewed` after asking the tier, `denied`.',
  }),
  asked: counter('sallyport.authorize.asked', {
    unit: '{question}',
    description: 'Questions to the security tier: `streamed` and answered so, or `unary`, by route.',
  }),
  streamed: counter('sallyport.authorize.streamed', {
    unit: '{question}',
    description:
      'What became of questions for the stream of the pod that gave the lease: `answered`; `not_held`, the session has moved; others are asked by route too.',
  }),
  revoked: counter('sallyport.attachment.revoked', {
    unit: '{attachment}',
    description: 'Attachments ended by an entry of the revocation feed.',
  }),
} as const;
