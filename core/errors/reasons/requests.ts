import { reasons } from './reasons.ts';

/** Any request of any service. */
export const requestsReasons = reasons({
  MALFORMED: [
    'INVALID_ARGUMENT',
    'the message cannot be read',
    'check it against the .proto file and docs/PROTOCOL.md',
  ],
  INVALID_FIELD: [
    'INVALID_ARGUMENT',
    'a field breaks a rule of the contract',
    'the rule is named in the message; see the .proto file',
  ],
  TOO_LARGE: ['RESOURCE_EXHAUSTED', 'the message is larger than the limit', 'split it, or stream it'],
  UNKNOWN_METHOD: ['UNIMPLEMENTED', 'there is no such method here', 'list the methods by reflection'],
  DEADLINE: [
    'DEADLINE_EXCEEDED',
    'the time the caller allowed has run out',
    'call again with a later deadline',
  ],
  CANCELLED: ['CANCELLED', 'the caller gave the call up', 'call again'],
  INTERNAL: [
    'INTERNAL',
    'something went wrong here',
    'look for the request id in the logs of the pod that is named',
  ],
  UNAVAILABLE: [
    'UNAVAILABLE',
    'this pod cannot answer at the moment',
    'call again after the time in RetryInfo',
  ],
  OVERLOADED: [
    'UNAVAILABLE',
    'this pod has as much work as it may hold',
    'call again after the time in RetryInfo',
  ],
  CALLER_NOT_ALLOWED: [
    'PERMISSION_DENIED',
    'this caller may not use this method',
    'envoy/model/access.ts says which role may use what',
  ],
  NOT_FOUND: ['NOT_FOUND', 'there is no such thing', 'list what there is'],
  ALREADY_EXISTS: ['ALREADY_EXISTS', 'it exists already', 'choose another name, or change the one there is'],
});
