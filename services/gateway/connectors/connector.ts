import type { MessageInitShape } from '@bufbuild/protobuf';
import { SallyportError } from '#core/errors/error.ts';
import type { InvokeStart, InvokeStreamResponseSchema } from '#gen/sallyport/gateway/v1/gateway_pb.js';

type Init = NonNullable<MessageInitShape<typeof InvokeStreamResponseSchema>['kind']>;
/** A message of an answer, as InvokeStream carries it. */
export type Answer = Exclude<Init, { case: undefined }>;

/** A call to one target. */
export interface TargetCall {
  /** What is to be done; its kind is the target's. */
  readonly start: InvokeStart['kind'];
  /** What the caller sends; to be read once. */
  readonly body: AsyncIterable<Uint8Array>;
  /** Aborted when the call is given up, or has taken too long. */
  readonly signal: AbortSignal;
  /** To be called before anything is sent that the target may act upon. */
  acting(): void;
}

/** Speaks with one target. What it throws is told to the caller, with whether the target may have acted. */
export interface Connector {
  /** Head, data or entries, end; each is asked for when the one before has been taken. */
  call(call: TargetCall): AsyncIterable<Answer>;
  /** Ends what it keeps open; calls have ended before. */
  close(): Promise<void>;
}

/** The target was not reached, or broke off. */
export const unreachable = (what: string, cause: unknown): SallyportError =>
  new SallyportError('BACKEND_UNAVAILABLE', {
    message: `${what} cannot be reached: ${wordsOf(cause)}`,
    retryAfterMs: 500,
    cause,
  });
export const brokeOff = (what: string, cause: unknown): SallyportError =>
  new SallyportError('BACKEND_FAILED', {
    message: `${what} broke off: ${wordsOf(cause)}`,
    retryAfterMs: 500,
    cause,
  });

const wordsOf = (cause: unknown): string =>
  (cause instanceof Error ? ('code' in cause ? String(cause.code) : cause.message) : String(cause)).slice(
    0,
    200,
  );
