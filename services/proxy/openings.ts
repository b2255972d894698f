import { SallyportError } from '#core/errors/error.ts';
import type { Clock } from '#kernel/time/clock.ts';

export interface OpeningLimits {
  /** Streams that may wait at a time; default 256. */
  readonly max?: number;
  /** Milliseconds that one may wait; default 10,000. */
  readonly waitMs?: number;
}

/**
 * Streams that have not yet said whose they are. Anybody can open such a one through an edge, and each takes
 * a place of the server's: so they are few and do not wait for long. Of too many the one that has waited the
 * longest goes: a device's own first message comes right behind the call.
 */
export class Openings {
  readonly #clock: Clock;
  readonly #max: number;
  readonly #waitMs: number;
  /** The longest waiting first. */
  readonly #waiting = new Set<(why: string) => void>();

  constructor(clock: Clock, { max = 256, waitMs = 10_000 }: OpeningLimits = {}) {
    this.#clock = clock;
    this.#max = max;
    this.#waitMs = waitMs;
  }

  /** Streams that wait now. */
  get size(): number {
    return this.#waiting.size;
  }

  /** The first message of a stream. @throws DEADLINE, or what it rejects with */
  async first<T>(message: Promise<T>): Promise<T> {
    const { promise: givenUp, reject } = Promise.withResolvers<never>();
    const giveUp = (why: string): void => reject(new SallyportError('DEADLINE', { message: why }));
    const [oldest] = this.#waiting;
    if (oldest !== undefined && this.#waiting.size >= this.#max) {
      this.#waiting.delete(oldest);
      oldest('the stream was not opened, and others came');
    }
    this.#waiting.add(giveUp);
    const timer = this.#clock.setTimer(this.#waitMs, () =>
      giveUp(`the stream was not opened within ${this.#waitMs} ms`),
    );
    try {
      return await Promise.race([message, givenUp]);
    } finally {
      timer.cancel();
      this.#waiting.delete(giveUp);
    }
  }
}
