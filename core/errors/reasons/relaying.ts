import { reasons } from './reasons.ts';

/** Authorising and relaying, and what decides it: the policy, sites, releases of apps. */
export const relayingReasons = reasons({
  STEP_UP_NEEDED: [
    'PERMISSION_DENIED',
    'this takes a log-in by two ways',
    'log in anew, by a password and an ID token, or by a provider that asks for two factors: `sallyport login NAME --oidc --password-file FILE`',
  ],
  POLICY_DENIED: [
    'PERMISSION_DENIED',
    'the policy does not allow this',
    'the grant names the rule; ask the administrator',
  ],
  SITE_SINGLE: [
    'FAILED_PRECONDITION',
    'this mesh has one site',
    '`sallyport up --sites FILE` gives it a second one',
  ],
  SITE_MASTER_ALIVE: [
    'FAILED_PRECONDITION',
    'the master site lives',
    'look at it first; `sallyport site promote --force` ends it, and takes over what it has acknowledged',
  ],
  SITE_UNKNOWN: [
    'NOT_FOUND',
    'there is no site of that name',
    'sites are named; a profile is user@site, and without one it is the master',
  ],
  SITE_ELSEWHERE: [
    'FAILED_PRECONDITION',
    'the resource is reached from another site than this proxy stands at',
    'open a session with the profile user@site; the message names the site, the hint its edges',
  ],
  RESOURCE_UNKNOWN: [
    'NOT_FOUND',
    'no resource of the policy matches this request',
    'see the resources in the policy',
  ],
  POLICY_INVALID: [
    'INVALID_ARGUMENT',
    'the policy is not valid',
    'the field and what is wrong with it are named; see compose/demo/policy.yaml',
  ],
  POLICY_CHANGED: [
    'FAILED_PRECONDITION',
    'another policy is in force than the one that was to be replaced',
    'read the newest one, merge, and apply again',
  ],
  POLICY_UNSIGNED: [
    'FAILED_PRECONDITION',
    'here nobody changes the policy alone',
    'propose it, and have somebody else sign it: `sallyport policy propose FILE`',
  ],
  PROPOSAL_OWN: [
    'PERMISSION_DENIED',
    'nobody signs what he has proposed himself',
    'another security officer signs it',
  ],
  PROPOSAL_ENDED: [
    'FAILED_PRECONDITION',
    'the proposal was signed or rejected already',
    'see `sallyport policy list`; propose it again if it is still wanted',
  ],
  PROPOSAL_REFUSED: [
    'RESOURCE_EXHAUSTED',
    'too many proposals wait',
    'reject what nobody wants any more: `sallyport policy list`',
  ],
  UPLOAD_INCOMPLETE: [
    'FAILED_PRECONDITION',
    'the package is not here as a whole, or not the one that was announced',
    'upload it again; what is here already is not asked for again',
  ],
  UPDATE_UNTRUSTED: [
    'UNAUTHENTICATED',
    'what the catalogue has sent is not what was signed',
    'do not install it; check the clock of this device, then ask the administrator',
  ],
  DEVICE_UNKNOWN: [
    'UNAUTHENTICATED',
    'no enrolment has the key that this proof was made with',
    'check the enrolment of this device; if it was lost, enrol again',
  ],
  LEASE_LOST: [
    'UNAVAILABLE',
    'the right to use this session could not be renewed',
    'repeat after the time in RetryInfo',
  ],
  BACKEND_UNAVAILABLE: [
    'UNAVAILABLE',
    'the intranet server cannot be reached',
    'repeat what is repeatable after the time in RetryInfo',
  ],
  BACKEND_FAILED: ['UNAVAILABLE', 'the intranet server broke off its answer', 'repeat what is repeatable'],
  REQUEST_INVALID: [
    'INVALID_ARGUMENT',
    'the request inside the channel is not a valid HTTP request',
    'check method, path and headers',
  ],
});
