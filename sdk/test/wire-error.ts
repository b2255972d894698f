import { Code, ConnectError } from '@connectrpc/connect';
import { SallyportError } from '../../core/errors/error.ts';
import { errorDomain } from '../../core/errors/from-wire.ts';
import { Status } from '../../core/errors/status.ts';
import { ErrorInfoSchema, RetryInfoSchema } from '../../gen/google/rpc/error_details_pb.js';

/** The error as the tier sends it: canonical code, ErrorInfo, RetryInfo. */
export function wireError(thrown: unknown): ConnectError {
  if (thrown instanceof ConnectError) return thrown;
  const error = SallyportError.from(thrown);
  const { reason, hint, metadata, retryAfterMs } = error;
  const code: Code = Status[error.status];
  const info = { domain: errorDomain, reason, metadata: { ...metadata, hint } };
  const delay = retryAfterMs ?? 0;
  return new ConnectError(error.message, code, undefined, [
    { desc: ErrorInfoSchema, value: info },
    ...(delay > 0
      ? [
          {
            desc: RetryInfoSchema,
            value: { retryDelay: { seconds: BigInt(Math.floor(delay / 1000)), nanos: (delay % 1000) * 1e6 } },
          },
        ]
      : []),
  ]);
}

/** What a client sees when a connection breaks: no word from the tier. */
export function connectionLost(): ConnectError {
  return new ConnectError('read ECONNRESET', Code.Aborted);
}
