import { fromBinary } from '@bufbuild/protobuf';
import { ErrorInfoSchema, RetryInfoSchema } from '#gen/google/rpc/error_details_pb.js';
import { isReason, SallyportError } from './error.ts';
import { type ErrorReason, registry } from './registry.ts';
import { Status } from './status.ts';

/** `google.rpc.ErrorInfo.domain` of every error of ours. */
export const errorDomain = 'sallyport.internal';

/** An error as it came in, whichever protocol brought it. */
export interface WireError {
  /** Canonical gRPC code. */
  readonly code: number;
  readonly message: string;
  /** `type` is the message's full name, without the URL's front part. */
  readonly details: readonly { readonly type: string; readonly value: Uint8Array }[];
  readonly cause?: unknown;
}

/**
 * What a code means that came without (or with an unknown) reason: from Envoy, from the gRPC library, from a
 * newer release. Codes that are missing here say nothing that a caller could act on: INTERNAL.
 */
const reasonOfCode: Readonly<Record<number, ErrorReason>> = {
  [Status.CANCELLED]: 'CANCELLED',
  [Status.INVALID_ARGUMENT]: 'MALFORMED',
  [Status.DEADLINE_EXCEEDED]: 'DEADLINE',
  [Status.NOT_FOUND]: 'NOT_FOUND',
  [Status.ALREADY_EXISTS]: 'ALREADY_EXISTS',
  [Status.PERMISSION_DENIED]: 'CALLER_NOT_ALLOWED',
  [Status.RESOURCE_EXHAUSTED]: 'THROTTLED',
  [Status.UNIMPLEMENTED]: 'UNKNOWN_METHOD',
  [Status.UNAVAILABLE]: 'UNAVAILABLE',
  [Status.UNAUTHENTICATED]: 'TOKEN_INVALID',
};

/** The error that the other side threw, with its reason, hint, metadata and time to wait. */
export function fromWire(wire: WireError): SallyportError {
  const info = detail(wire, ErrorInfoSchema.typeName, (bytes) => fromBinary(ErrorInfoSchema, bytes));
  const retry = detail(wire, RetryInfoSchema.typeName, (bytes) => fromBinary(RetryInfoSchema, bytes));
  const { hint, ...metadata } = info?.domain === errorDomain ? info.metadata : {};
  const told = info?.domain === errorDomain && isReason(info.reason) ? info.reason : undefined;
  const reason = told ?? guess(wire);
  const delay = retry?.retryDelay;
  return new SallyportError(reason, {
    message: wire.message || registry[reason].message,
    metadata: told || !info ? metadata : { ...metadata, reason: info.reason },
    ...(hint !== undefined && { hint }),
    ...(delay && { retryAfterMs: Number(delay.seconds) * 1000 + Math.round(delay.nanos / 1e6) }),
    ...(wire.cause !== undefined && { cause: wire.cause }),
  });
}

function guess(wire: WireError): ErrorReason {
  // grpc-js, connect-es and Envoy refuse too large a message with this code and words like these.
  if (
    wire.code === Status.RESOURCE_EXHAUSTED &&
    /larger than|too large|too long|exceeds/i.test(wire.message)
  ) {
    return 'TOO_LARGE';
  }
  // So grpc-js calls a stream that was reset on its way, as a sidecar does whose process hangs or dies under a call.
  if (wire.code === Status.INTERNAL && /^Received RST_STREAM with code \d/.test(wire.message))
    return 'UNAVAILABLE';
  return reasonOfCode[wire.code] ?? 'INTERNAL';
}

/** A damaged detail is as good as none: the code and the message still say what there is to say. */
function detail<T>(wire: WireError, type: string, read: (bytes: Uint8Array) => T): T | undefined {
  const found = wire.details.find((each) => each.type === type);
  if (!found) return undefined;
  try {
    return read(found.value);
  } catch {
    return undefined;
  }
}

/**
 * Whatever a Connect client threw, as a SallyportError. Takes the shape of a ConnectError rather than its
 * class, so that this file needs no Connect and two copies of it do no harm.
 */
export function fromConnectError(thrown: unknown): SallyportError {
  if (thrown instanceof SallyportError || !(thrown instanceof Error)) return SallyportError.from(thrown);
  if (thrown.name === 'AbortError') return new SallyportError('CANCELLED', { cause: thrown });
  if (!isConnectError(thrown)) return SallyportError.from(thrown);
  if (thrown.cause instanceof SallyportError) return thrown.cause;
  // `fetch` says TypeError for every failure of the network, and Connect has no code for it; of a connection that was
  // reset in Node it takes the server for who is told, and says ABORTED (connect-node's node-error.ts).
  if (thrown.details.length === 0 && (thrown.cause instanceof TypeError || wasReset(thrown.cause))) {
    return new SallyportError('UNAVAILABLE', { message: thrown.rawMessage, cause: thrown });
  }
  return fromWire({
    code: thrown.code,
    message: thrown.rawMessage,
    // Envoy's bridge from Connect to gRPC leaves the URL's front part.
    details: thrown.details
      .filter(isIncoming)
      .map(({ type, value }) => ({ type: type.slice(type.lastIndexOf('/') + 1), value })),
    cause: thrown,
  });
}

/** Node's errors stand in each other. */
function wasReset(cause: unknown, depth = 0): boolean {
  if (!(cause instanceof Error) || depth > 5) return false;
  const code = 'code' in cause ? cause.code : undefined;
  return code === 'ECONNRESET' || code === 'ERR_STREAM_DESTROYED' || wasReset(cause.cause, depth + 1);
}

interface ConnectErrorShape extends Error {
  readonly code: number;
  readonly rawMessage: string;
  readonly details: readonly object[];
}

function isConnectError(error: Error): error is ConnectErrorShape {
  return (
    'code' in error &&
    typeof error.code === 'number' &&
    'rawMessage' in error &&
    typeof error.rawMessage === 'string' &&
    'details' in error &&
    Array.isArray(error.details)
  );
}

function isIncoming(each: object): each is { type: string; value: Uint8Array } {
  return (
    'type' in each && typeof each.type === 'string' && 'value' in each && each.value instanceof Uint8Array
  );
}
