import type { Clock, Timer } from './clock.ts';

interface Entry {
  at: number;
  order: number;
  everyMs: number | undefined;
  run: () => void;
}

/** A clock that moves only when told to; for tests. */
export class ManualClock implements Clock {
  #wall: number;
  #monotonic = 0;
  #order = 0;
  readonly #entries = new Set<Entry>();

  /** @param start wall-clock milliseconds since 1970; by default 2030-01-01T00:00:00Z. */
  constructor(start = Date.UTC(2030, 0, 1)) {
    this.#wall = start;
  }

  now(): number {
    return this.#wall;
  }

  monotonic(): number {
    return this.#monotonic;
  }

  /** How many timers and sleepers wait: a test can see that code under test has reached its wait. */
  get waiting(): number {
    return this.#entries.size;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(signal.reason);
        return;
      }
      const abort = (): void => {
        timer.cancel();
        reject(signal?.reason);
      };
      const timer = this.setTimer(ms, () => {
        signal?.removeEventListener('abort', abort);
        resolve();
      });
      signal?.addEventListener('abort', abort, { once: true });
    });
  }

  setTimer(ms: number, run: () => void): Timer {
    return this.#add(Math.max(0, ms), undefined, run);
  }

  setRepeating(ms: number, run: () => void): Timer {
    const everyMs = Math.max(1, ms);
    return this.#add(everyMs, everyMs, run);
  }

  /**
   * Moves both scales by `ms`, running what falls due in order of time, and lets the promises settle
   * that this resolves, so that whoever sleeps again on waking is woken again within the same call.
   */
  async advance(ms: number): Promise<void> {
    const end = this.#monotonic + ms;
    await settle();
    for (let next = this.#next(end); next !== undefined; next = this.#next(end)) {
      this.#moveTo(Math.max(this.#monotonic, next.at));
      if (next.everyMs === undefined) this.#entries.delete(next);
      else next.at += next.everyMs;
      next.run();
      await settle();
    }
    this.#moveTo(end);
    await settle();
  }

  /** Moves the wall clock only (either way), as a clock adjustment or a machine's sleep does. Runs no timers. */
  jumpWall(ms: number): void {
    this.#wall += ms;
  }

  #add(delay: number, everyMs: number | undefined, run: () => void): Timer {
    const entry: Entry = { at: this.#monotonic + delay, order: this.#order++, everyMs, run };
    this.#entries.add(entry);
    return { cancel: () => void this.#entries.delete(entry) };
  }

  #moveTo(monotonic: number): void {
    this.#wall += monotonic - this.#monotonic;
    this.#monotonic = monotonic;
  }

  #next(end: number): Entry | undefined {
    let first: Entry | undefined;
    for (const entry of this.#entries) {
      if (entry.at > end) continue;
      if (!first || entry.at < first.at || (entry.at === first.at && entry.order < first.order))
        first = entry;
    }
    return first;
  }
}

/** Lets every promise that is ready run on: setImmediate comes after all microtasks. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
