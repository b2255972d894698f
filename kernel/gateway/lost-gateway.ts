import type { SallyportError } from '#core/errors/error.ts';

/** Set by a sidecar on its own answer when the call reached no process (envoy/model/headers.ts). */
const unprocessedHeader = 'x-sallyport-unprocessed';

/** What a failed call to a gateway tells of the gateway. */
export interface Lost {
  /** Whether its target may have acted. */
  readonly maybeExecuted: boolean;
}

/**
 * Undefined: the gateway lives, and the error is its word, or a refusal that another one would repeat. Else it has
 * died, hangs or stops, and another one is to be asked.
 */
export function lostGateway(error: SallyportError): Lost | undefined {
  const { gateway, leaving } = error.metadata;
  if (leaving !== undefined) return { maybeExecuted: false };
  if (gateway !== undefined || error.reason === 'OVERLOADED') return undefined;
  // What grpc-js or a sidecar says about a call that was cut is one of these.
  if (!['UNAVAILABLE', 'INTERNAL', 'DEADLINE', 'CANCELLED'].includes(error.reason)) return undefined;
  return { maybeExecuted: !reachedNobody(error.cause) };
}

/** By the header of the sidecar that had nobody to give it to. */
function reachedNobody(cause: unknown): boolean {
  if (typeof cause !== 'object' || cause === null || !('metadata' in cause)) return false;
  const { metadata } = cause;
  if (typeof metadata !== 'object' || metadata === null || !('get' in metadata)) return false;
  const { get } = metadata;
  return typeof get === 'function' && (get.call(metadata, unprocessedHeader) as unknown[]).length > 0;
}
