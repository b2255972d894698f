import { SallyportError } from '#core/errors/error.ts';
import { type Clock, elapsedUntil, type Instant, instant } from '#kernel/time/clock.ts';

export interface FreshnessOptions {
  /** Milliseconds for which a read of the feed is good, from its start; default 20,000: longer than a failover. */
  readonly freshMs: number;
  /** Milliseconds after its last heartbeat for which a pod answers; default 60,000. Others rely on it. */
  readonly silentMs: number;
}

/**
 * Whether this pod knows who is still welcome. Asked immediately before each answer, so that a process
 * that was stopped for a while finds out before it speaks.
 */
export class Freshness {
  readonly #clock: Clock;
  readonly #options: FreshnessOptions;
  #read: Instant | undefined;
  #heartbeat: Instant | undefined;
  #over: string | undefined;

  constructor(clock: Clock, options: FreshnessOptions) {
    this.#clock = clock;
    this.#options = options;
  }

  /** The feed was read to its end by a read begun then. */
  readBegun(at: Instant): void {
    this.#read = at;
  }

  /** A heartbeat begun then has been committed. */
  heartbeatBegun(at: Instant): void {
    this.#heartbeat = at;
  }

  /** For good: another process has this pod's name, or another era has begun. */
  end(why: string): void {
    this.#over ??= why;
  }

  get fresh(): boolean {
    return this.#staleBecause() === undefined;
  }

  /** @throws STALE */
  assert(): void {
    const message = this.#staleBecause();
    if (message !== undefined) throw new SallyportError('STALE', { message, retryAfterMs: 500 });
  }

  #staleBecause(): string | undefined {
    if (this.#over !== undefined) return this.#over;
    // Both clocks are read once: this is asked several times for each request.
    const now = instant(this.#clock);
    if (this.#read === undefined || elapsedUntil(now, this.#read) >= this.#options.freshMs) {
      return 'this pod has not read the revocation feed lately';
    }
    if (this.#heartbeat === undefined || elapsedUntil(now, this.#heartbeat) >= this.#options.silentMs) {
      return 'this pod could not tell the others lately that it is alive';
    }
    return undefined;
  }
}
