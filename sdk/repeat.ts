import { SallyportError } from '../core/errors/error.ts';
import { isTransient } from './failure.ts';
import type { Outcome } from './link.ts';
import type { PreparedRequest } from './request.ts';

export type Verdict =
  | { readonly do: 'repeat'; readonly because: SallyportError }
  | { readonly do: 'throw'; readonly error: SallyportError };

/**
 * What to do about a request that was not answered:
 *
 * | what happened                       | repeatable | unrepeatable    |
 * | ----------------------------------- | ---------- | --------------- |
 * | refused, and it passes              | repeat     | repeat          |
 * | refused for good (policy, limits)   | its error  | its error       |
 * | failed behind the seal, it passes   | repeat     | UNKNOWN_OUTCOME |
 * | failed behind the seal for good     | its error  | its error       |
 * | lost, and it passes                 | repeat     | UNKNOWN_OUTCOME |
 * | lost for good (the session ended)   | its error  | UNKNOWN_OUTCOME |
 *
 * Repeatable: idempotent by its method or by an Idempotency-Key, with a body that can be had again.
 * Errors in clear are not believed when they say that nothing was done: an edge could write them.
 */
export function judge(request: PreparedRequest, outcome: Exclude<Outcome, { at: 'answered' }>): Verdict {
  const { error } = outcome;
  const { available } = request.body;
  const passes = isTransient(error);
  if (outcome.at === 'refused') return passes && available ? { do: 'repeat', because: error } : thrown(error);
  if (passes && request.idempotent && available) return { do: 'repeat', because: error };
  const known = outcome.at === 'failed' ? !passes : request.idempotent && !passes;
  return thrown(known ? error : unknownOutcome(request, error));
}

function thrown(error: SallyportError): Verdict {
  return { do: 'throw', error };
}

/** For a request that was in flight and must not be sent twice. */
export function unknownOutcome(request: PreparedRequest, because: SallyportError): SallyportError {
  return new SallyportError('UNKNOWN_OUTCOME', {
    message: `${request.head.method} ${request.url} was under way: ${because.message}`,
    metadata: {
      requestId: request.id,
      because: because.reason,
      ...(because.metadata.requestId !== undefined && { proxyRequestId: because.metadata.requestId }),
    },
    cause: because,
  });
}
