import type { LoadContext } from './context.ts';
import type { Kind, Stall } from './messages.ts';

/** How a load came to be calm. */
export interface Settled {
  readonly seconds: number;
  /** False: it was given up, and what comes is measured on a mesh that is busy with itself. */
  readonly calm: boolean;
  /** The longest device request until it was calm. */
  readonly longest: Stall;
}

/** Those that come all the time. */
const watched: readonly Kind[] = ['get', 'keyed', 'once'];
/** It is calm when no request has taken longer, for so long. */
const calmRequestMs = 500;
const calmForMs = 3000;
/** A machine that is too slow for this load never gets there. */
const longestMs = 30_000;
const lookEveryMs = 100;

/**
 * Waits until no device request of the last three seconds took longer than half a second: a new mesh compiles its code
 * and makes its connections under the first requests. Those seconds are calm ones, from which it is learnt what is
 * normal. What failed before has failed all the same.
 */
export async function settle(
  context: Pick<LoadContext, 'now' | 'window' | 'signal'>,
  sleep: (ms: number, signal: AbortSignal) => Promise<void>,
): Promise<Settled> {
  const begun = context.now();
  const window = context.window();
  window.settling();
  for (;;) {
    await sleep(lookEveryMs, context.signal);
    const now = context.now();
    const calm =
      now - begun >= calmForMs && window.longestSince(now - calmForMs, watched).ms <= calmRequestMs;
    if (!calm && now - begun < longestMs) continue;
    window.calm(calm ? now - calmForMs : begun);
    const seconds = (now - begun) / 1000;
    return { seconds, calm, longest: window.longestSince(begun, watched) };
  }
}
