import { SallyportError } from '#core/errors/error.ts';

/**
 * What a failed statement says about its transaction.
 * - `safe`: nothing took effect; run it again, on a new connection
 * - `safe-same`: nothing took effect and the connection is good (deadlock, lock wait)
 * - `ambiguous`: if it was a COMMIT, nobody can say whether it took effect; any other statement is `safe`
 * - `fatal`: a fault of the statement or of what called it; running it again would not help
 */
export type Verdict = 'safe' | 'safe-same' | 'ambiguous' | 'fatal';

/**
 * MySQL's error numbers (Server Error Message Reference), as measured over 53 killed primaries. Read-only
 * and offline come from a node that is (no longer) the primary: the pool must not keep its connections.
 */
const byNumber = new Map<number, Verdict>([
  [1040, 'safe'], // ER_CON_COUNT_ERROR
  [1203, 'safe'], // ER_TOO_MANY_USER_CONNECTIONS
  [1290, 'safe'], // ER_OPTION_PREVENTS_STATEMENT: super_read_only
  [1792, 'safe'], // ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION
  [1836, 'safe'], // ER_READ_ONLY_MODE
  [3032, 'safe'], // ER_SERVER_OFFLINE_MODE
  [3101, 'safe'], // ER_TRANSACTION_ROLLBACK_DURING_COMMIT: the group's certification refused it
  [3168, 'safe'], // ER_SERVER_ISNT_AVAILABLE
  [3796, 'safe'], // ER_GRP_RPL_*: the consistency hook refused before the transaction began
  [3797, 'safe'],
  [3798, 'safe'],
  [3799, 'safe'], // ER_GRP_TRX_CONSISTENCY_BEGIN_NOT_ALLOWED: this member is leaving the group
  [4094, 'safe'], // ER_OPERATION_NOT_ALLOWED_WHILE_PRIMARY_CHANGE_IS_RUNNING
  [1205, 'safe-same'], // ER_LOCK_WAIT_TIMEOUT
  [1213, 'safe-same'], // ER_LOCK_DEADLOCK
  [3572, 'safe-same'], // ER_LOCK_NOWAIT
  [1053, 'ambiguous'], // ER_SERVER_SHUTDOWN
  [1180, 'ambiguous'], // ER_ERROR_DURING_COMMIT
  [1317, 'ambiguous'], // ER_QUERY_INTERRUPTED
  [1927, 'ambiguous'], // ER_CONNECTION_KILLED
  [3100, 'ambiguous'], // ER_RUN_HOOK_ERROR: the group lost its majority, or this member, meanwhile
  [4031, 'ambiguous'], // ER_CLIENT_INTERACTION_TIMEOUT
]);

/** Codes of Node and mysql2: the connection is gone, and with it whatever was in flight. */
const brokenConnection = new Set([
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ECONNREFUSED',
  'ENOENT',
  'EAGAIN',
  'ERR_STREAM_DESTROYED',
  'ERR_STREAM_WRITE_AFTER_END',
  'PROTOCOL_CONNECTION_LOST',
  'PROTOCOL_SEQUENCE_TIMEOUT',
]);

/** Does not tell where in the transaction it happened: whoever knows treats `ambiguous` accordingly. */
export function judge(thrown: unknown): Verdict {
  if (!(thrown instanceof Error)) return 'fatal';
  const { errno, code } = thrown as Error & { errno?: unknown; code?: unknown };
  if (typeof code === 'string' && brokenConnection.has(code)) return 'ambiguous';
  if (typeof errno === 'number') return byNumber.get(errno) ?? 'fatal';
  // mysql2 has no code for this one: a second statement on a connection that has just broken.
  if (thrown.message.includes('in closed state')) return 'ambiguous';
  return 'fatal';
}

/** MySQL's error number of whatever was thrown, if it is one of MySQL's. */
export function mysqlNumber(thrown: unknown): number | undefined {
  if (!(thrown instanceof Error)) return undefined;
  const { errno } = thrown as Error & { errno?: unknown };
  return typeof errno === 'number' && errno > 0 ? errno : undefined;
}

/** ER_DUP_ENTRY: a unique key is taken. */
export const isDuplicate = (thrown: unknown): boolean => mysqlNumber(thrown) === 1062;

/** For callers who gave up waiting: no primary within the time they had. */
export const unavailable = (cause: unknown): SallyportError =>
  new SallyportError('DB_UNAVAILABLE', { cause, retryAfterMs: 1000 });
