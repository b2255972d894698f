import type { Clock } from '#kernel/time/clock.ts';
import { handleOf, type SessionRecord } from './record.ts';

interface Pointer {
  readonly to: string;
  /** Kept until nobody can still be waiting for it: the answer that carried it may have been lost. */
  readonly record: SessionRecord;
  readonly at: number;
}

/** Milliseconds for which a pod remembers to whom it gave a session. */
const keepMs = 600_000;

/**
 * Milliseconds for which it decides about one by what it gave: that it is asked again so soon means that sidecars do
 * not agree on who is well. To fetch it back each time would keep all pods too busy to be well.
 */
const latelyMs = 10_000;

/** To whom this pod has given sessions; bounded, the oldest are forgotten first. */
export class Forwarding {
  readonly #clock: Clock;
  readonly #max: number;
  readonly #pointers = new Map<string, Pointer>();

  constructor(clock: Clock, max = 10_000) {
    this.#clock = clock;
    this.#max = max;
  }

  gave(handle: string, to: string, record: SessionRecord): void {
    this.#pointers.delete(handle);
    this.#pointers.set(handle, { to, record, at: this.#clock.monotonic() });
    const oldest = this.#clock.monotonic() - keepMs;
    for (const [key, pointer] of this.#pointers) {
      if (pointer.at >= oldest && this.#pointers.size <= this.#max) break;
      this.#pointers.delete(key);
    }
  }

  find(handle: string): Pointer | undefined {
    const pointer = this.#pointers.get(handle);
    return pointer && this.#clock.monotonic() - pointer.at < keepMs ? pointer : undefined;
  }

  /** What was given just now. It may lack what became of it since. */
  lately(id: string): SessionRecord | undefined {
    const pointer = this.#pointers.get(handleOf(id));
    const isLate = pointer?.record.id === id && this.#clock.monotonic() - pointer.at < latelyMs;
    return isLate ? pointer.record : undefined;
  }

  /** It has come back. */
  forget(handle: string): void {
    this.#pointers.delete(handle);
  }
}
