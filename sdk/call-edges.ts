import type { SallyportError } from '../core/errors/error.ts';
import type { Edge, Edges } from './edges.ts';
import { clearFailure, isTransient } from './failure.ts';
import type { Platform } from './platform.ts';

/** Never waits longer than this before the next try, whatever RetryInfo asks for. */
const longestPauseMs = 5000;

/**
 * Milliseconds before try number `attempt` + 2 (`attempt` counts failures from 0): 50 ms doubling to
 * 2 s, half of it random so that devices that failed together do not come back together; at least
 * what the error asks for.
 */
export function pauseMs(platform: Platform, attempt: number, error: SallyportError | undefined): number {
  const full = Math.min(50 * 2 ** Math.min(attempt, 10), 2000);
  return Math.min(Math.max(full * (1 - platform.random() / 2), error?.retryAfterMs ?? 0), longestPauseMs);
}

/**
 * Makes a call that may be repeated, until it succeeds, fails for good, or the signal is aborted: then
 * the last failure is thrown, which says more than a deadline does. Another edge is tried at once when
 * one does not answer; after a round of all of them there is a pause.
 */
export async function callEdges<T>(
  edges: Edges,
  platform: Platform,
  signal: AbortSignal,
  call: (edge: Edge) => Promise<T>,
  onFailure?: (error: SallyportError) => void,
): Promise<T> {
  let last: SallyportError | undefined;
  let unanswered = 0;
  for (let attempt = 0; ; attempt++) {
    if (signal.aborted) throw last ?? signal.reason;
    const edge = edges.current;
    try {
      return await call(edge);
    } catch (thrown) {
      if (signal.aborted) throw last ?? signal.reason;
      const { from, error } = clearFailure(thrown);
      if (from === 'connection') {
        edges.failed(edge, error);
        unanswered++;
      } else if (!isTransient(error)) throw error;
      // An edge may be the last to know which pods are there.
      else if (attempt >= 2) edges.failed(edge, error);
      last = error;
      onFailure?.(error);
      if (from === 'connection' && unanswered % edges.count !== 0) continue;
      try {
        await platform.sleep(pauseMs(platform, attempt, error), signal);
      } catch {
        throw error;
      }
    }
  }
}
