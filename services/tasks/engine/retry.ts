import type { SallyportError } from '#core/errors/error.ts';
import type { RetryPolicy } from './definition.ts';

export const defaultRetry: RetryPolicy = { attempts: 8, firstMs: 500, longestMs: 60_000 };

/** gRPC codes of what can pass by itself: https://grpc.io/docs/guides/status-codes/ */
const passing: ReadonlySet<string> = new Set([
  'UNAVAILABLE',
  'RESOURCE_EXHAUSTED',
  'DEADLINE_EXCEEDED',
  'ABORTED',
  'UNKNOWN',
  'INTERNAL',
]);

/** Whether trying again can help. What was not foreseen is INTERNAL, and may be a fault that the next release mends. */
export const canPass = (error: SallyportError): boolean => passing.has(error.status);

/** Milliseconds before the next attempt after so many; half of it random, so that many do not come at once. */
export function retryAfterMs(
  policy: RetryPolicy,
  attempts: number,
  error: SallyportError,
  random: () => number,
): number {
  const full = Math.min(policy.firstMs * 2 ** Math.min(attempts - 1, 30), policy.longestMs);
  return Math.max(full * (1 - random() / 2), error.retryAfterMs ?? 0);
}
