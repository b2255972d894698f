/**
 * The one registry of error reasons. A reason is what a program branches on: it travels in
 * `google.rpc.ErrorInfo.reason` (domain `sallyport.internal`) and is documented in docs/ERRORS.md.
 */

/** The canonical gRPC codes, by the numbers of the gRPC specification (Connect uses the same). */
export const Status = {
  CANCELLED: 1,
  UNKNOWN: 2,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  OUT_OF_RANGE: 11,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  DATA_LOSS: 15,
  UNAUTHENTICATED: 16,
} as const;
export type StatusName = keyof typeof Status;

export interface ErrorSpec {
  status: StatusName;
  message: string;
  /** What the caller can do about it. */
  hint: string;
}

const define = <K extends string>(specs: Record<K, readonly [StatusName, string, string]>) =>
  Object.freeze(
    Object.fromEntries(
      Object.entries<readonly [StatusName, string, string]>(specs).map(
        ([reason, [status, message, hint]]) => [reason, { status, message, hint }],
      ),
    ) as Record<K, ErrorSpec>,
  );

export const registry = define({
  // Requests
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

  // The sealed channel
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

  // Enrolment and sessions
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

  // Authorising and relaying
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

  // Keys and storage
  KEY_UNKNOWN: ['NOT_FOUND', 'there is no such key', 'list the keys'],
  ROOT_KEY_UNAVAILABLE: [
    'UNAVAILABLE',
    'the root key provider did not give the key',
    'check rootKey in the configuration of the security pod',
  ],
  SEALED_ROW_DAMAGED: [
    'DATA_LOSS',
    'a sealed row does not open under its key',
    'restore the row from a backup; its table and key are named',
  ],
  DB_UNAVAILABLE: [
    'UNAVAILABLE',
    'the database has no primary at the moment',
    'call again after the time in RetryInfo',
  ],
  DB_BUSY: [
    'UNAVAILABLE',
    'too many calls are waiting for the database',
    'call again after the time in RetryInfo',
  ],
  DB_OUTCOME_UNKNOWN: [
    'ABORTED',
    'the connection broke while a change was being committed',
    'read whether it took effect, or repeat with an idempotency key',
  ],
  DB_NODES_MISSING: [
    'FAILED_PRECONDITION',
    'not every database node answers, and none of them is in a group',
    'start what is missing; if it is lost for good, `sallyport db recover --force`',
  ],
  DB_DIVERGED: [
    'FAILED_PRECONDITION',
    'a database node has transactions that the others do not have',
    '`sallyport db status` shows which; `sallyport db recover --force` goes on without them',
  ],

  // Directories
  SOURCE_INVALID: [
    'INVALID_ARGUMENT',
    'the settings of the source cannot be used',
    'the message says which, and why',
  ],
  SOURCE_UNREACHABLE: [
    'UNAVAILABLE',
    'no host of the directory answers',
    'look at the directory and the way to it: `sallyport sources test NAME`',
  ],
  SOURCE_REFUSED: [
    'FAILED_PRECONDITION',
    'the directory refuses what it is asked for',
    '`sallyport sources test NAME` shows what each host says',
  ],
  SOURCE_INCOMPLETE: [
    'FAILED_PRECONDITION',
    'the directory told less than it was asked for, so nothing was changed',
    'raise the limits that it has for the account of the source',
  ],
  SOURCE_OWNS: [
    'FAILED_PRECONDITION',
    'this is decided in the directory that the user comes from',
    'change it there; here the user can be disabled and given roles',
  ],
  SCIM_INVALID: [
    'INVALID_ARGUMENT',
    'the SCIM request cannot be done as it stands',
    'the answer says what is wrong, and scimType which kind of thing (RFC 7644 3.12)',
  ],
  SCIM_HELD: [
    'RESOURCE_EXHAUSTED',
    'so many users would lose access by pushes within an hour that somebody is to agree first',
    'if it is meant: `sallyport sources set NAME --max-removal PERCENT`, and back afterwards; else see to the provider',
  ],
  SCIM_VERSION_MISMATCH: [
    'FAILED_PRECONDITION',
    'the resource has changed since it was read',
    'read it again, and send the change with its new version in If-Match',
  ],

  // Running it
  CONFIG_INVALID: [
    'INVALID_ARGUMENT',
    'the configuration is not valid',
    'the field and its rule are named; see docs/CONFIG.md',
  ],
  // Tasks
  TASK_KIND_UNKNOWN: [
    'NOT_FOUND',
    'there is no task of this kind',
    'list the kinds; a newer release may know it',
  ],
  TASK_ENDED: ['FAILED_PRECONDITION', 'the task has ended', 'look at its result; submit another one'],
  ITEM_TAKEN: [
    'FAILED_PRECONDITION',
    'somebody else has reserved this work item',
    'ask whoever is named to give it back or to hand it on; an operator can, too',
  ],
  ITEM_ENDED: ['FAILED_PRECONDITION', 'this work item has ended', 'list the inbox again'],
  DRAFT_CHANGED: [
    'ABORTED',
    'somebody has saved another draft meanwhile',
    'read the item again, and save what you have typed on top of that',
  ],
  CLAIM_LOST: ['ABORTED', 'another worker has the task now', 'nothing: that one goes on with it'],
  REQUEST_KEY_REUSED: [
    'ALREADY_EXISTS',
    'this key was used for something else',
    'a key names one request for good: take a new one',
  ],
  TARGET_UNKNOWN: [
    'NOT_FOUND',
    'this worker knows no such target',
    'see `targets` in the configuration of the workers',
  ],
  TARGET_UNREACHABLE: [
    'UNAVAILABLE',
    'the target cannot be reached, or takes nothing now; nothing was done there',
    'it is tried again; look at the target and the way to it',
  ],
  TARGET_SILENT: [
    'UNKNOWN',
    'the target did not say what became of what it was asked for',
    'it is tried again where that does no harm; look at the target',
  ],
  TARGET_REFUSED: [
    'FAILED_PRECONDITION',
    'the target refuses what it is asked for',
    'the message says what it answered',
  ],
  EFFECT_UNKNOWN: [
    'FAILED_PRECONDITION',
    'whether this took effect is not known, and it must not be done twice',
    'look at the target; then submit what is still to be done',
  ],
  SCHEDULE_INVALID: [
    'INVALID_ARGUMENT',
    'the schedule cannot be used',
    'the message says what is wrong; cron has five fields: minute, hour, day of month, month, day of week',
  ],
  SCHEDULE_BUSY: [
    'FAILED_PRECONDITION',
    'the last run of this schedule has not ended',
    'wait for it, or cancel it: the message names the task',
  ],
  MESH_RUNNING: [
    'FAILED_PRECONDITION',
    'a mesh is running on this state folder',
    '`sallyport down` stops it, or choose another folder with --state',
  ],
  MESH_NOT_RUNNING: [
    'FAILED_PRECONDITION',
    'no mesh is running on this state folder',
    '`sallyport up` starts one',
  ],
  CHANGE_UNDER_WAY: [
    'ABORTED',
    'another change of this mesh is under way',
    'wait until it has ended, or interrupt it, and try again',
  ],
  CHANGE_REFUSED: ['FAILED_PRECONDITION', 'this mesh cannot be changed so', 'the message says why'],
  CONFIG_REJECTED: [
    'INVALID_ARGUMENT',
    'a sidecar does not take the configuration',
    'correct the knob or the patch that is named; all sidecars go on with what they had',
  ],
  PART_MISSING: [
    'FAILED_PRECONDITION',
    'a program that the mesh needs was not found and could not be fetched',
    'the message says what was tried and what to install',
  ],
  BACKUP_NOT_SCHEDULED: [
    'FAILED_PRECONDITION',
    'no backups are made of this mesh',
    '`sallyport backup schedule --to DIR` begins with them',
  ],
  BACKUP_KEY_WRONG: [
    'INVALID_ARGUMENT',
    'the key is not the one that the backup was made with',
    'name the file with the right one with --key-file; without it nobody can read the backup',
  ],
  BACKUP_TARGET: [
    'UNAVAILABLE',
    'the place where backups are kept cannot be reached, or refuses',
    'the message says why; backups go on by themselves when it is back',
  ],
  BACKUP_NO_ROOM: [
    'RESOURCE_EXHAUSTED',
    'there is no room for what a backup takes meanwhile',
    'make room on the disk that is named',
  ],
  BACKUP_DAMAGED: [
    'DATA_LOSS',
    'the backup is not what was written',
    'nothing was changed; take another one: `sallyport backup list`',
  ],
  BACKUP_FOREIGN: [
    'FAILED_PRECONDITION',
    'the backup is of another mesh',
    'restore it into a folder of its own, with --state',
  ],
  BACKUP_NEWER: [
    'FAILED_PRECONDITION',
    'the backup is of a newer release',
    'nothing was changed; restore it with that release, or one after it',
  ],
  RESTORE_OVER_MESH: [
    'FAILED_PRECONDITION',
    'the folder to restore into holds a mesh',
    'name another one with --state, or say --replace: what is there is moved aside',
  ],
  RESTORE_RUNNING: [
    'FAILED_PRECONDITION',
    'another restore into the folder is under way',
    'wait until it has ended, or answer what it asks',
  ],
  RESTORE_FAILED: [
    'DATA_LOSS',
    'what was saved could not be made a database again',
    'nothing was changed; take another one: `sallyport backup list`',
  ],
  START_FAILED: ['UNAVAILABLE', 'a part of the mesh did not start', 'its log file is named in the message'],
});

export type ErrorReason = keyof typeof registry;
