import { Code, ConnectError } from '@connectrpc/connect';
import { SallyportError } from '../core/errors/error.ts';
import { errorDomain, fromConnectError } from '../core/errors/from-wire.ts';
import type { ErrorReason } from '../core/errors/registry.ts';
import { ErrorInfoSchema } from '../gen/google/rpc/error_details_pb.js';

/**
 * A call that failed in clear. `tier`: a pod of ours says so, or this side found the answer wrong, or the edge has reset
 * the stream: so it lives, and knows by now who behind it does not. `connection`: transport or edge say so; another edge
 * may do better.
 */
export interface ClearFailure {
  readonly from: 'tier' | 'connection';
  readonly error: SallyportError;
}

/** Codes that, without a reason of ours, mean that the call did not get through, or not back. */
const connectionCodes: ReadonlySet<Code> = new Set([
  Code.Unavailable,
  Code.Aborted,
  Code.Internal,
  Code.Unknown,
  Code.Canceled,
  Code.DeadlineExceeded,
  Code.DataLoss,
  // The edge's rate limit: it never reached a pod.
  Code.ResourceExhausted,
]);

export function clearFailure(thrown: unknown): ClearFailure {
  const error = fromConnectError(thrown);
  if (!(thrown instanceof ConnectError) || thrown.cause instanceof SallyportError) {
    return { from: 'tier', error };
  }
  const ours = thrown.findDetails(ErrorInfoSchema).some((info) => info.domain === errorDomain);
  if (ours || error.reason === 'TOO_LARGE' || !connectionCodes.has(thrown.code)) {
    return { from: 'tier', error };
  }
  const unavailable = new SallyportError('UNAVAILABLE', {
    message: `the call did not get through: ${thrown.rawMessage}`,
    hint: 'check the network; the SDK tries its other edge by itself',
    cause: thrown,
    ...(error.retryAfterMs !== undefined && { retryAfterMs: error.retryAfterMs }),
  });
  return { from: wasReset(thrown) ? 'tier' : 'connection', error: unavailable };
}

/** Whether RST_STREAM has come, as Node's HTTP/2 tells it; a connection that breaks has other errors. */
const wasReset = ({ cause }: ConnectError): boolean =>
  cause instanceof Error && 'code' in cause && cause.code === 'ERR_HTTP2_STREAM_ERROR';

/** Reasons beside those of status UNAVAILABLE after which trying again can help. */
const passing: ReadonlySet<ErrorReason> = new Set<ErrorReason>([
  'ATTACH_REQUIRED',
  'SEQUENCE_EXHAUSTED',
  'DEADLINE',
  'DB_OUTCOME_UNKNOWN',
  // A frame that was changed or doubled on its way; under a new attachment it has another number.
  'REPLAYED',
  'UNSEALABLE',
]);

/** Whether the same thing, tried again, may well succeed. */
export function isTransient(error: SallyportError): boolean {
  return error.status === 'UNAVAILABLE' || passing.has(error.reason);
}

const ending: ReadonlySet<ErrorReason> = new Set<ErrorReason>([
  'SESSION_UNKNOWN',
  'SESSION_EXPIRED',
  'SESSION_REVOKED',
  'ENROLMENT_REVOKED',
  'APP_REFUSED',
  'ATTACH_PROOF_INVALID',
]);

/** Whether the session is over by this. */
export function endsSession(error: SallyportError): boolean {
  return ending.has(error.reason);
}
