import { reasons } from './reasons.ts';

/** The sealed channel between a device and the tiers behind the edge. */
export const channelReasons = reasons({
  UNKNOWN_SUITE: [
    'FAILED_PRECONDITION',
    'this cipher suite is not offered',
    'read GetServerKeys and use one of its suites',
  ],
  UNKNOWN_SERVER_KEY: [
    'FAILED_PRECONDITION',
    'this server key is not in use (any more)',
    'read GetServerKeys again and repeat with a current key',
  ],
  UNSEALABLE: [
    'UNAUTHENTICATED',
    'the message does not open under the key it names',
    'the key is wrong or the message was changed on its way',
  ],
  UNTRUSTED_SERVER: [
    'UNAUTHENTICATED',
    'the server could not prove that it is the one this device enrolled with',
    'do not go on; ask the administrator',
  ],
  CLOCK_SKEW: [
    'FAILED_PRECONDITION',
    'the message is too old or from the future',
    'set the clock by the time in the error and repeat',
  ],
  REPLAYED: [
    'INVALID_ARGUMENT',
    'a frame with this number was taken already',
    'frames are never sent twice under one number',
  ],
  SEQUENCE_EXHAUSTED: ['FAILED_PRECONDITION', 'this attachment has used up its numbers', 'attach again'],
  ATTACH_REQUIRED: [
    'FAILED_PRECONDITION',
    'this proxy does not hold that attachment',
    'attach, then repeat what is repeatable',
  ],
  EDGE_LEAVING: [
    'UNAVAILABLE',
    'the edge that this attachment goes through is about to stop',
    'attach through another edge, then repeat',
  ],
  UNKNOWN_OUTCOME: [
    'ABORTED',
    'the connection broke while an unrepeatable request was under way',
    'find out whether it took effect before sending it again',
  ],
  STREAM_CUT: [
    'ABORTED',
    'the body ended before it was complete and cannot be resumed',
    'ask for it again from the start',
  ],
});
