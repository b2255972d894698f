import type { Clock } from '#kernel/time/clock.ts';
import type { LeaseLengths } from './lease-lengths.ts';

interface Holder {
  /** When the latest lease was given, monotonic. */
  givenAt: number;
  /** Feed position up to which this proxy has carried everything out. */
  acknowledged: number;
}

/**
 * Which proxies may hold a lease of this pod, and how far each has carried out the revocation feed.
 * Waits go by monotonic time: a wall clock that jumps ahead must not make a lease look over.
 */
export class LeaseBook {
  readonly #clock: Clock;
  readonly #lengths: LeaseLengths;
  readonly #startedAt: number;
  readonly #holders = new Map<string, Holder>();
  readonly #waiting = new Set<() => void>();

  /** @param lengths the process that had this pod's name before may have given the longest lease just now */
  constructor(clock: Clock, lengths: LeaseLengths) {
    this.#clock = clock;
    this.#lengths = lengths;
    this.#startedAt = clock.monotonic();
  }

  /** A lease is being given, in the same turn of the event loop in which the feed was asked. */
  given(proxy: string): void {
    const holder = this.#holders.get(proxy);
    if (holder) holder.givenAt = this.#clock.monotonic();
    else this.#holders.set(proxy, { givenAt: this.#clock.monotonic(), acknowledged: 0 });
    if (this.#holders.size > 1000) this.#forget();
  }

  acknowledge(proxy: string, position: number): void {
    const holder = this.#holders.get(proxy);
    if (holder === undefined || position <= holder.acknowledged) return;
    holder.acknowledged = position;
    for (const look of [...this.#waiting]) look();
  }

  /** Its Watch has begun anew, from this position. */
  restart(proxy: string, position: number): void {
    const holder = this.#holders.get(proxy);
    if (holder) holder.acknowledged = position;
    else this.#holders.set(proxy, { givenAt: Number.NEGATIVE_INFINITY, acknowledged: position });
    if (this.#holders.size > 1000) this.#forget();
  }

  /**
   * Resolves when no lease that was given before now lets anybody use what an entry at or before
   * `position` ends: each holder has acknowledged, or its lease has run out. At most the longest lease.
   */
  async settled(position: number): Promise<void> {
    await Promise.all([
      this.#sleepUntil(this.#startedAt + this.#lengths.longestMs),
      ...[...this.#holders].map(([proxy, holder]) =>
        this.#holderSettled(proxy, holder.givenAt + this.#lengths.of(proxy), position),
      ),
    ]);
  }

  async #holderSettled(proxy: string, leaseEnd: number, position: number): Promise<void> {
    const done = (): boolean => (this.#holders.get(proxy)?.acknowledged ?? 0) >= position;
    if (done() || this.#clock.monotonic() >= leaseEnd) return;
    const acknowledged = new AbortController();
    const look = (): void => {
      if (done()) acknowledged.abort();
    };
    this.#waiting.add(look);
    try {
      await this.#sleepUntil(leaseEnd, acknowledged.signal);
    } catch (error) {
      // Woken by the acknowledgement: that is what was waited for.
      if (!acknowledged.signal.aborted) throw error;
    } finally {
      this.#waiting.delete(look);
    }
  }

  async #sleepUntil(monotonic: number, signal?: AbortSignal): Promise<void> {
    const left = monotonic - this.#clock.monotonic();
    if (left > 0) await this.#clock.sleep(left, signal);
  }

  #forget(): void {
    const over = this.#clock.monotonic() - this.#lengths.longestMs;
    for (const [proxy, holder] of this.#holders) if (holder.givenAt < over) this.#holders.delete(proxy);
  }
}
