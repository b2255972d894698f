import { create, type MessageShape, toBinary } from '@bufbuild/protobuf';
import { anyPack, DurationSchema } from '@bufbuild/protobuf/wkt';
import type { SallyportError } from '#core/errors/error.ts';
import { errorDomain } from '#core/errors/from-wire.ts';
import { registry } from '#core/errors/registry.ts';
import { Status } from '#core/errors/status.ts';
import { ErrorInfoSchema, RetryInfoSchema } from '#gen/google/rpc/error_details_pb.js';
import { StatusSchema } from '#gen/google/rpc/status_pb.js';

/** An error as it goes out. */
export interface WireStatus {
  /** Canonical gRPC code. */
  readonly code: number;
  readonly message: string;
  readonly info: MessageShape<typeof ErrorInfoSchema>;
  /** Only where repeating helps: with every UNAVAILABLE. */
  readonly retry: MessageShape<typeof RetryInfoSchema> | undefined;
}

/** Where it happened: goes into the metadata, so that whoever sees the error finds the log line. */
export interface ErrorPlace {
  readonly requestId?: string;
  readonly pod?: string;
}

/** Errors travel in HTTP/2 trailers, for which proxies allow some 60 KB in all. */
const longestText = 1000;

/** Milliseconds after which what is UNAVAILABLE may be asked for again, where nobody says more precisely. */
export const defaultRetryMs = 100;

/**
 * The error as the wire may see it. The cause stays here; of INTERNAL the message stays here too, since it
 * was meant for the log.
 */
export function toWire(error: SallyportError, place: ErrorPlace = {}): WireStatus {
  const metadata: Record<string, string> = { hint: wireText(error.hint) };
  if (place.requestId) metadata.request_id = wireText(place.requestId);
  if (place.pod) metadata.pod = wireText(place.pod);
  const retryMs = error.retryAfterMs ?? (error.status === 'UNAVAILABLE' ? defaultRetryMs : undefined);
  for (const [key, value] of Object.entries(error.metadata).slice(0, 16)) metadata[key] = wireText(value);
  return {
    code: Status[error.status],
    message: wireText(error.reason === 'INTERNAL' ? registry.INTERNAL.message : error.message),
    info: create(ErrorInfoSchema, { reason: error.reason, domain: errorDomain, metadata }),
    retry: retryMs === undefined ? undefined : retryInfo(retryMs),
  };
}

/** `google.rpc.Status`, what gRPC carries in `grpc-status-details-bin`. */
export function statusBytes(wire: WireStatus): Uint8Array {
  const details = [anyPack(ErrorInfoSchema, wire.info)];
  if (wire.retry) details.push(anyPack(RetryInfoSchema, wire.retry));
  return toBinary(StatusSchema, create(StatusSchema, { code: wire.code, message: wire.message, details }));
}

/** `ms`: milliseconds, taken as 0 below that. */
export function retryInfo(ms: number): MessageShape<typeof RetryInfoSchema> {
  const whole = Math.max(0, Math.round(ms));
  const retryDelay = create(DurationSchema, {
    seconds: BigInt(Math.floor(whole / 1000)),
    nanos: (whole % 1000) * 1e6,
  });
  return create(RetryInfoSchema, { retryDelay });
}

/** Bounded, and without the lone surrogates on which encodeURI (in grpc-js) and UTF-8 encoders throw. */
function wireText(text: string): string {
  return (text.length > longestText ? `${text.slice(0, longestText)}…` : text).toWellFormed();
}
