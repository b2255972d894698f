import type { Kysely } from 'kysely';
import type { Clock } from '#kernel/time/clock.ts';
import type { CallOptions, Db } from './db.ts';

export interface SoonOptions<T> extends CallOptions {
  /** Whether an answer of a member that may be behind will do. What is not there may only not be there yet. */
  readonly good: (value: T) => boolean;
}

/** Reads that are not to wait while the group finds out who has died. */
export interface SoonReads<S> {
  /**
   * Runs `fn` where all is seen that was committed before. When that takes long, runs it also where something may be
   * missing (`behind`), and gives whichever comes first; of the latter only a `good` one. Both only read.
   * @throws as {@link Db.read}
   */
  readSoon<T>(fn: (db: Kysely<S>, behind: boolean) => Promise<T>, options: SoonOptions<T>): Promise<T>;
}

/** Milliseconds for the member that is caught up: many times what it takes; and once it was slow. */
const patienceMs = 150;
const patienceWhenSlowMs = 40;
/** Milliseconds for which one that was slow counts as slow. */
const slowForMs = 2000;

type Reads<S> = Pick<Db<S>, 'read'>;

/** @param caughtUp waits until it has what was committed before; @param behind never waits */
export function soonReads<S>(caughtUp: Reads<S>, behind: Reads<S>, clock: Clock): SoonReads<S> {
  let slowUntil = Number.NEGATIVE_INFINITY;
  return {
    readSoon: async (fn, { good, ...options }) => {
      const done = new AbortController();
      const signal =
        options.signal === undefined ? done.signal : AbortSignal.any([options.signal, done.signal]);
      const own = { ...options, signal };
      const right = caughtUp.read((db) => fn(db, false), own);
      const late = async () => {
        await clock.sleep(clock.monotonic() < slowUntil ? patienceWhenSlowMs : patienceMs, signal);
        slowUntil = clock.monotonic() + slowForMs;
        const value = await behind.read((db) => fn(db, true), own);
        if (!good(value)) throw new NotGood();
        return value;
      };
      try {
        return await Promise.any([right, late()]);
      } catch {
        // Neither has one: then what counts is why the one that knows has none.
        return await right;
      } finally {
        done.abort();
      }
    },
  };
}

class NotGood extends Error {}
