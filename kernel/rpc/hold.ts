import type { CallContext } from './handlers.ts';

/** For a caller that has set no deadline: longer than a database failover (LAB.md: 6 to 8 s). Milliseconds. */
const unaskedMs = 15_000;
/** Nobody is held longer, whatever deadline they set. */
const longestMs = 30_000;
/** Before the caller's deadline, so that the answer, with its reason and RetryInfo, still reaches it. */
const aheadMs = 250;

/**
 * How long a call may wait for a primary, or for whatever else is away for a while: until shortly before its caller
 * gives up, so that a failover costs it time and no error, and what takes longer an answer that says when to retry.
 */
export function held(
  call: Pick<CallContext, 'deadlineMs' | 'signal'>,
  now: number = Date.now(),
): { readonly deadlineMs: number; readonly signal: AbortSignal } {
  const left = call.deadlineMs === undefined ? unaskedMs : call.deadlineMs - now;
  // Of a very short deadline half is kept for the answer.
  const deadlineMs = Math.max(1, Math.min(longestMs, Math.max(left - aheadMs, left / 2)));
  return { deadlineMs, signal: call.signal };
}
