import { reasons } from './reasons.ts';

/** Keys and the database. */
export const storageReasons = reasons({
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
});
