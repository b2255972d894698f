import type { Clock } from '#kernel/time/clock.ts';
import type { SessionRecord } from './record.ts';

/** Milliseconds for which a repeated OpenSession message gets the same answer. */
export const repeatMs = 300_000;
/** Messages that are remembered; the oldest are forgotten first, and found in the database then. */
const max = 10_000;

/** Sessions by the message that opened (or is just opening) them. */
export class OpenedMessages {
  readonly #clock: Clock;
  readonly #byHash = new Map<string, { at: number; session: Promise<SessionRecord> }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  find(openHash: Uint8Array): Promise<SessionRecord> | undefined {
    const known = this.#byHash.get(keyOf(openHash));
    return known && this.#clock.monotonic() - known.at < repeatMs ? known.session : undefined;
  }

  remember(openHash: Uint8Array, session: Promise<SessionRecord>): void {
    const key = keyOf(openHash);
    this.#byHash.set(key, { at: this.#clock.monotonic(), session });
    // One that failed may be tried again.
    session.catch(() => this.#byHash.delete(key));
    this.forget();
  }

  /** Drops those that are too old or too many. */
  forget(): void {
    const oldest = this.#clock.monotonic() - repeatMs;
    for (const [key, opened] of this.#byHash) {
      if (opened.at >= oldest && this.#byHash.size <= max) return;
      this.#byHash.delete(key);
    }
  }
}

const keyOf = (hash: Uint8Array): string => Buffer.from(hash).toString('hex');
