import type { CallContext } from './handlers.ts';

/** For a caller that has set no deadline: longer than a database failover (LAB.md: 6 to 8 s). Milliseconds. */
const unaskedMs = 15_000;
/** Nobody is held longer, whatever deadline they set. */
const longestMs = 30_000;
/** Before the caller's deadline, so that the answer, with its reason and RetryInfo, still reaches it: so long, */
const aheadMs = 250;
/** or this share of it, since many may be answered at once. */
const aheadShare = 0.05;

/** How long a call with this deadline (wall-clock milliseconds, as `CallContext` has it) may be held; milliseconds. */
export function heldMs(deadlineMs: number | undefined, now: number = Date.now()): number {
  const left = deadlineMs === undefined ? unaskedMs : deadlineMs - now;
  const ahead = Math.max(aheadMs, left * aheadShare);
  // Of a very short deadline half is kept for the answer.
  return Math.max(1, Math.min(longestMs, Math.max(left - ahead, left / 2)));
}

/**
 * How long a call may wait for a primary, or for whatever else is away for a while: until shortly before its caller
 * gives up, so that a failover costs it time and no error, and what takes longer an answer that says when to retry.
 */
export function held(
  call: Pick<CallContext, 'deadlineMs' | 'signal'>,
  now?: number,
): { readonly deadlineMs: number; readonly signal: AbortSignal } {
  return { deadlineMs: heldMs(call.deadlineMs, now), signal: call.signal };
}
