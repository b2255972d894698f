import { Code, ConnectError, type HandlerContext } from '@connectrpc/connect';
import { SallyportError } from '#core/errors/error.ts';
import { ErrorInfoSchema, RetryInfoSchema } from '#gen/google/rpc/error_details_pb.js';
import { type ErrorPlace, toWire } from '#kernel/errors/to-wire.ts';
import type { Route } from './implement.ts';
import { cancelled, closing, pastDeadline, ServerCall } from './server-call.ts';

/** A connect-node call as a ServerCall. */
export function connectCall(context: HandlerContext, route: Route, newRequestId: () => string): ServerCall {
  const leftMs = context.timeoutMs();
  const call = new ServerCall({
    method: route.path.slice(1),
    deadlineMs: leftMs === undefined ? undefined : Date.now() + leftMs,
    header: (name) => context.requestHeader.get(name) ?? undefined,
    setHeader: (name, value) => context.responseHeader.set(name, value),
    setTrailer: (name, value) => context.responseTrailer.set(name, value),
    newRequestId,
  });
  const abort = (): void => call.abort(reasonOf(context.signal.reason));
  if (context.signal.aborted) abort();
  else context.signal.addEventListener('abort', abort, { once: true });
  return call;
}

function reasonOf(reason: unknown): () => SallyportError {
  if (!(reason instanceof ConnectError)) return cancelled;
  if (reason.code === Code.DeadlineExceeded) return pastDeadline;
  return reason.code === Code.Unavailable ? closing : cancelled;
}

/** The error as Connect sends it, in whichever of its protocols the caller speaks. */
export function toConnectError(thrown: unknown, place: ErrorPlace): ConnectError {
  const error = SallyportError.from(thrown);
  const wire = toWire(error, place);
  return new ConnectError(
    wire.message,
    wire.code,
    undefined,
    [
      { desc: ErrorInfoSchema, value: wire.info },
      ...(wire.retry ? [{ desc: RetryInfoSchema, value: wire.retry }] : []),
    ],
    error,
  );
}
