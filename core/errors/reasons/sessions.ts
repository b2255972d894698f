import { reasons } from './reasons.ts';

/** Enrolment, log-in and sessions. */
export const sessionsReasons = reasons({
  ACTIVATION_INVALID: [
    'UNAUTHENTICATED',
    'the activation code is unknown, used or expired',
    'ask the administrator for a new one',
  ],
  ATTESTATION_INVALID: [
    'UNAUTHENTICATED',
    'the attestation of the app is not valid',
    'the message says what is wrong; the activation code is as good as before',
  ],
  ENROLMENT_REVOKED: [
    'UNAUTHENTICATED',
    'the enrolment of this device has been revoked',
    'enrol again with a new activation code',
  ],
  DEVICE_BLOCKED: [
    'PERMISSION_DENIED',
    'this device is blocked',
    'whoever blocked it, or an administrator, can unblock it: `sallyport devices unblock`',
  ],
  CREDENTIALS_INVALID: [
    'UNAUTHENTICATED',
    'user name or password is wrong',
    'check both; after several failures wait as RetryInfo says',
  ],
  OIDC_UNREACHABLE: [
    'UNAVAILABLE',
    'the OpenID provider does not give its keys at the moment',
    'call again after the time in RetryInfo, or log in another way',
  ],
  THROTTLED: ['RESOURCE_EXHAUSTED', 'too many attempts', 'wait for the time in RetryInfo'],
  SESSION_UNKNOWN: ['UNAUTHENTICATED', 'there is no such session', 'open a new session'],
  SESSION_EXPIRED: ['UNAUTHENTICATED', 'the session has expired', 'open a new session'],
  SESSION_REVOKED: [
    'UNAUTHENTICATED',
    'the session has been ended',
    'open a new session, if the administrator allows it',
  ],
  APP_REFUSED: [
    'UNAUTHENTICATED',
    'the policy takes no session from this app as it is',
    'metadata.grant says why: update the app or put the device right, then open a new session',
  ],
  ROUTE_MISMATCH: [
    'INVALID_ARGUMENT',
    'x-sallyport-route is not the route key of this message',
    'send the first part of the session id as x-sallyport-route',
  ],
  ATTACH_PROOF_INVALID: [
    'UNAUTHENTICATED',
    'the proof of possession of the session key is wrong',
    'derive it as docs/PROTOCOL.md says',
  ],
  TOKEN_INVALID: ['UNAUTHENTICATED', 'the token is not valid', 'log in again'],
  STALE: [
    'UNAVAILABLE',
    'this pod has not read the revocation feed lately enough to answer',
    'call again after the time in RetryInfo',
  ],
  NOT_HELD: [
    'UNAVAILABLE',
    'this pod does not hold that session',
    'repeat as a unary call, which is routed to its owner',
  ],
});
