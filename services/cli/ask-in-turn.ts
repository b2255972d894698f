import { SallyportError } from '#core/errors/error.ts';
import type { Clock } from '#kernel/time/clock.ts';

/** A pod or a database primary that fails over is back by then, also when the first try has waited for it in vain. */
const patienceMs = 20_000;
const pauseMs = 250;
/**
 * Milliseconds that a place has for its answer. At first less: one that is cut off from the database takes calls, and
 * holds them, while the next one has a primary already.
 */
const [firstTryMs, laterTryMs] = [5000, 10_000];

/**
 * Asks one place after the other until one answers, and goes round again for 20 s: what was killed is
 * started again, and the person at the console is not to notice. Only for what may be done twice. `ask` is told
 * how many milliseconds the place has; whatever it knows to take longer may take longer.
 * @throws what a place answers; of UNAVAILABLE, DEADLINE_EXCEEDED and DB_OUTCOME_UNKNOWN the last with RetryInfo and a
 * reason of its own, which is a place's word (for one that is not there its sidecar says no more than UNAVAILABLE), else
 * the last
 */
export async function askInTurn<P, T>(
  places: readonly P[],
  what: string,
  clock: Clock,
  ask: (place: P, tryMs: number) => Promise<T>,
): Promise<T> {
  let last = new SallyportError('UNAVAILABLE', { message: `there is no ${what} to ask` });
  let answer: SallyportError | undefined;
  if (places.length === 0) throw last;
  const start = clock.monotonic();
  for (let tryMs = places.length > 1 ? firstTryMs : laterTryMs; ; tryMs = laterTryMs) {
    for (const place of places) {
      try {
        return await ask(place, tryMs);
      } catch (thrown) {
        last = SallyportError.from(thrown);
        const passes = last.status === 'UNAVAILABLE' || last.status === 'DEADLINE_EXCEEDED';
        if (!passes && last.reason !== 'DB_OUTCOME_UNKNOWN') throw last;
        if (last.retryAfterMs !== undefined && last.reason !== 'UNAVAILABLE') answer = last;
      }
    }
    if (clock.monotonic() - start >= patienceMs) throw answer ?? last;
    await clock.sleep(pauseMs);
  }
}
