import { isReason, SallyportError } from '#core/errors/error.ts';

/** One HTTP field; names in lower case. */
export interface Header {
  name: string;
  value: string;
}

/** Head of an HTTP request. */
export interface RequestHead {
  method: string;
  /** Host and optional port of the resource. */
  authority: string;
  /** Path with query. */
  path: string;
  headers: readonly Header[];
}

/** Head of an HTTP response. */
export interface ResponseHead {
  /** 100 to 599. */
  status: number;
  headers: readonly Header[];
}

/** Why a request was given up (`RelayError` on the wire). */
export interface StreamReset {
  /** From the registry of error reasons. */
  reason: string;
  message: string;
  hint: string;
  /** Milliseconds; 0: unknown. */
  retryAfterMs: number;
  /** Id of the request in the logs; may be empty. */
  requestId: string;
  /** Whether the backend may have acted on the request. */
  maybeExecuted: boolean;
}

/** What one message of the stream says about request number `requestId` (u32, chosen by the device, rising from 1). */
export type StreamMessage = { requestId: number } & (
  | { kind: 'requestHead'; head: RequestHead }
  | { kind: 'responseHead'; head: ResponseHead }
  | { kind: 'data'; data: Uint8Array }
  | { kind: 'end' }
  | { kind: 'reset'; reset: StreamReset }
  | { kind: 'credit'; credit: number }
);

/** The limits that both sides of suite 1 keep (docs/PROTOCOL.md, "Stream"). */
export interface MultiplexLimits {
  /** Bytes of body that a sender may send per request and direction before it gets credit. */
  window: number;
  /** Bytes of body in one message. */
  maxData: number;
  /** Requests under way at once. */
  maxRequests: number;
  /** The most credit a sender may hold; more is a protocol error. */
  maxCredit: number;
  /** Ids of finished requests whose late messages are still ignored. */
  rememberedIds: number;
  /** Messages other than data that may wait for a transport that takes nothing. */
  maxBacklog: number;
}

export const suite1Limits: Readonly<MultiplexLimits> = Object.freeze({
  window: 256 * 1024,
  maxData: 32 * 1024,
  maxRequests: 256,
  maxCredit: 16 * 1024 * 1024,
  rememberedIds: 1024,
  maxBacklog: 4096,
});

/** A breach of the rules by the other side; it ends the stream. */
export function protocolError(message: string): SallyportError {
  return new SallyportError('MALFORMED', {
    message: `stream protocol error: ${message}`,
    hint: 'end the stream and attach again; see docs/PROTOCOL.md, "Stream"',
  });
}

/**
 * An error as it travels in a reset. `maybeExecuted` and `requestId` come from the error's
 * metadata of those names; without them: false and empty.
 */
export function resetOf(error: SallyportError): StreamReset {
  return {
    reason: error.reason,
    message: error.message,
    hint: error.hint,
    retryAfterMs: error.retryAfterMs ?? 0,
    requestId: error.metadata.requestId ?? '',
    maybeExecuted: error.metadata.maybeExecuted === 'true',
  };
}

/** A received reset as an error; a reason this side does not know becomes INTERNAL, named in the message. */
export function errorOf(reset: StreamReset): SallyportError {
  const { reason } = reset;
  const known = isReason(reason) ? reason : undefined;
  return new SallyportError(known ?? 'INTERNAL', {
    message: known ? reset.message : `${reason}: ${reset.message}`,
    hint: reset.hint,
    ...(reset.retryAfterMs > 0 && { retryAfterMs: reset.retryAfterMs }),
    metadata: {
      ...(reset.requestId !== '' && { requestId: reset.requestId }),
      ...(reset.maybeExecuted && { maybeExecuted: 'true' }),
    },
  });
}
