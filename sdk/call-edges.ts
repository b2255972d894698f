import { SallyportError } from '../core/errors/error.ts';
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

export interface CallOptions {
  /** Is told of each failure. */
  readonly onFailure?: (error: SallyportError) => void;
  /**
   * Milliseconds without an answer after which another edge is asked as well, and whichever answers first counts: an
   * edge that takes calls may have nobody behind it. For what may be done by two at the same time.
   */
  readonly alsoAfterMs?: number;
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
  call: (edge: Edge, signal: AbortSignal) => Promise<T>,
  { onFailure, alsoAfterMs }: CallOptions = {},
): Promise<T> {
  let last: SallyportError | undefined;
  let unanswered = 0;
  for (let attempt = 0; ; attempt++) {
    if (signal.aborted) throw last ?? signal.reason;
    const edge = edges.current;
    try {
      return await callBeside(edges, platform, signal, edge, call, alsoAfterMs);
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

/** At this edge, and after a while at another one, too. Throws what the first one throws, when neither answers. */
async function callBeside<T>(
  edges: Edges,
  platform: Platform,
  signal: AbortSignal,
  edge: Edge,
  call: (edge: Edge, signal: AbortSignal) => Promise<T>,
  afterMs: number | undefined,
): Promise<T> {
  const other = edges.besides(edge);
  if (afterMs === undefined || other === undefined) return call(edge, signal);
  const over = new AbortController();
  const both = AbortSignal.any([signal, over.signal]);
  const quiet = (work: Promise<unknown>): void => void work.catch(() => undefined);
  try {
    const first = call(edge, both);
    const late = platform.sleep(afterMs, both).then(() => undefined);
    for (const each of [first, late]) quiet(each);
    const early = await Promise.race([first.then((value) => ({ value })), late]);
    if (early !== undefined) return early.value;
    const second = call(other, both).then((value) => {
      // Later calls need not wait for it.
      edges.failed(edge, new SallyportError('UNAVAILABLE', { message: `no answer within ${afterMs} ms` }));
      return value;
    });
    quiet(second);
    return await Promise.any([first, second]).catch(() => first);
  } finally {
    over.abort();
  }
}
