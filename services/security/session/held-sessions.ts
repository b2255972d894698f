import { handleOf, type SessionRecord } from './record.ts';

/** A session in this pod's memory. */
export interface Held {
  record: SessionRecord;
  /** Feed position as of which it was last found not to have been ended. */
  checkedAt: number;
  /** Database time of its last use. */
  seenMs: number;
}

/** The sessions that this pod holds, by id and by handle; bounded. */
export class HeldSessions {
  readonly #byHandle = new Map<string, Held>();
  readonly #max: number;

  constructor(max: number) {
    this.#max = max;
  }

  get size(): number {
    return this.#byHandle.size;
  }

  /** By the whole id, compared whole: knowing a handle is not enough. */
  get(id: string): Held | undefined {
    const held = this.#byHandle.get(handleOf(id));
    return held?.record.id === id ? held : undefined;
  }

  byHandle(handle: string): Held | undefined {
    return this.#byHandle.get(handle);
  }

  /**
   * Takes a record unless a higher or the same version is held; gives back what is held now. Undefined
   * when there is no room: every other session here is in no other place.
   */
  put(record: SessionRecord, checkedAt: number): Held | undefined {
    const handle = handleOf(record.id);
    const known = this.#byHandle.get(handle);
    if (known) {
      if (record.version > known.record.version) known.record = record;
      return known;
    }
    if (this.#byHandle.size >= this.#max && !this.#makeRoom()) return undefined;
    const held = { record, checkedAt, seenMs: record.lastSeenMs };
    this.#byHandle.set(handle, held);
    return held;
  }

  delete(handle: string): void {
    this.#byHandle.delete(handle);
  }

  values(): IterableIterator<Held> {
    return this.#byHandle.values();
  }

  /** Drops those for which `over` says so. */
  sweep(over: (held: Held) => boolean): number {
    let dropped = 0;
    for (const [handle, held] of this.#byHandle) {
      if (!over(held)) continue;
      this.#byHandle.delete(handle);
      dropped++;
    }
    return dropped;
  }

  /** The one that came first among the next hundred and can be loaded again goes; the others stand at the back then. */
  #makeRoom(): boolean {
    let looked = 0;
    for (const [handle, held] of this.#byHandle) {
      this.#byHandle.delete(handle);
      if (!held.record.writtenBehind) return true;
      this.#byHandle.set(handle, held);
      if (++looked >= 100) break;
    }
    return false;
  }
}
