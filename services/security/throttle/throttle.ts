import { SallyportError } from '#core/errors/error.ts';
import type { Clock } from '#kernel/time/clock.ts';

export interface ThrottleOptions {
  /** What is counted, for the error: "attempts for this user". */
  readonly what: string;
  /** Failures that are forgiven before waiting begins; at least 1. */
  readonly burst: number;
  /** Milliseconds after which one failure is forgotten. */
  readonly refillMs: number;
  /** Subjects remembered at most; the longest untouched is forgotten first. Default 100,000. */
  readonly maxSubjects?: number;
}

interface Bucket {
  tokens: number;
  at: number;
}

/**
 * A token bucket per subject (key, user, address), in this pod's memory: a session's owner sees all
 * attempts of one route key, so nothing has to be shared.
 */
export class Throttle {
  readonly #options: ThrottleOptions;
  readonly #clock: Clock;
  readonly #buckets = new Map<string, Bucket>();

  constructor(options: ThrottleOptions, clock: Clock) {
    this.#options = options;
    this.#clock = clock;
  }

  /**
   * Asks whether an attempt may be made; takes nothing.
   * @throws THROTTLED with the time until the next attempt.
   */
  check(subject: string): void {
    const bucket = this.#current(subject);
    if (bucket === undefined || bucket.tokens >= 1) return;
    throw new SallyportError('THROTTLED', {
      message: `too many ${this.#options.what}`,
      retryAfterMs: Math.ceil((1 - bucket.tokens) * this.#options.refillMs),
    });
  }

  /** Counts a failed attempt (or any attempt, where each one costs). */
  count(subject: string): void {
    const bucket = this.#current(subject) ?? { tokens: this.#options.burst, at: this.#clock.monotonic() };
    bucket.tokens = Math.max(0, bucket.tokens - 1);
    this.#buckets.delete(subject);
    this.#buckets.set(subject, bucket);
    const limit = this.#options.maxSubjects ?? 100_000;
    for (const oldest of this.#buckets.keys()) {
      if (this.#buckets.size <= limit) break;
      this.#buckets.delete(oldest);
    }
  }

  /**
   * {@link check} and {@link count} in one, ahead of an attempt: of many made at once no more get through
   * than of as many made one after the other. @throws THROTTLED
   */
  take(subject: string): void {
    this.check(subject);
    this.count(subject);
  }

  /** The attempt that was taken came to nothing, neither way. */
  giveBack(subject: string): void {
    const bucket = this.#current(subject);
    if (bucket !== undefined) bucket.tokens = Math.min(this.#options.burst, bucket.tokens + 1);
  }

  /** A success: what was counted against the subject is forgotten. */
  forgive(subject: string): void {
    this.#buckets.delete(subject);
  }

  get subjects(): number {
    return this.#buckets.size;
  }

  #current(subject: string): Bucket | undefined {
    const bucket = this.#buckets.get(subject);
    if (bucket === undefined) return undefined;
    const now = this.#clock.monotonic();
    bucket.tokens = Math.min(this.#options.burst, bucket.tokens + (now - bucket.at) / this.#options.refillMs);
    bucket.at = now;
    if (bucket.tokens < this.#options.burst) return bucket;
    this.#buckets.delete(subject);
    return undefined;
  }
}
