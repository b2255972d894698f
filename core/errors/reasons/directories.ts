import { reasons } from './reasons.ts';

/** Directories that users come from, and SCIM, by which they are pushed. */
export const directoriesReasons = reasons({
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
});
