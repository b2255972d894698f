import { type PackedSession, packSession, revocableOf, unpackSession } from './packed-session.ts';
import { handleOf, type Revocable, type SessionRecord } from './record.ts';

/** A session in this pod's memory. */
export interface Held {
  record: SessionRecord;
  /** Feed position as of which it was last found not to have been ended. */
  checkedAt: number;
  /** Database time of its last use. */
  seenMs: number;
}

/** Packed in one sweep at most: some 50 ms of the event loop that decides. */
const maxPacked = 10_000;

/**
 * The sessions that this pod holds, by id and by handle; bounded. Those that are idle and safe in the database are
 * packed, and unpacked when somebody asks for them: what a session weighs is what it weighs while nobody uses it.
 */
export class HeldSessions {
  readonly #byHandle = new Map<string, Held | PackedSession>();
  readonly #max: number;

  constructor(max: number) {
    this.#max = max;
  }

  get size(): number {
    return this.#byHandle.size;
  }

  /** By the whole id, compared whole: knowing a handle is not enough. */
  get(id: string): Held | undefined {
    const held = this.byHandle(handleOf(id));
    return held?.record.id === id ? held : undefined;
  }

  byHandle(handle: string): Held | undefined {
    const found = this.#byHandle.get(handle);
    if (found === undefined || 'record' in found) return found;
    const held = unpacked(handle, found);
    this.#byHandle.set(handle, held);
    return held;
  }

  /**
   * Takes a record unless a higher or the same version is held; gives back what is held now. Undefined
   * when there is no room: every other session here is in no other place.
   */
  put(record: SessionRecord, checkedAt: number): Held | undefined {
    const handle = handleOf(record.id);
    const known = this.byHandle(handle);
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

  *values(): IterableIterator<Held> {
    for (const [handle, found] of this.#byHandle) {
      yield 'record' in found ? found : unpacked(handle, found);
    }
  }

  /**
   * Drops those for which `over` says so, and packs the ones that were not used since `idleSinceMs`, if the message
   * that opened them is too old to come again (`openedBeforeMs`). Returns how many were dropped.
   */
  sweep(
    over: (session: Revocable & Pick<SessionRecord, 'expiresAtMs'>) => boolean,
    { idleSinceMs, openedBeforeMs }: { readonly idleSinceMs: number; readonly openedBeforeMs: number },
  ): number {
    let dropped = 0;
    let packed = 0;
    for (const [handle, found] of this.#byHandle) {
      if ('record' in found) {
        const { record, seenMs } = found;
        if (over(record)) {
          this.#byHandle.delete(handle);
          dropped++;
          continue;
        }
        if (packed >= maxPacked || record.writtenBehind) continue;
        if (seenMs > idleSinceMs || record.openedAtMs > openedBeforeMs) continue;
        const small = packSession(record, seenMs);
        if (small === undefined) continue;
        this.#byHandle.set(handle, small);
        packed++;
      } else if (over({ ...revocableOf(handle, found), expiresAtMs: found.expiresAtMs })) {
        this.#byHandle.delete(handle);
        dropped++;
      }
    }
    return dropped;
  }

  /** The one that came first among the next hundred and can be loaded again goes; the others stand at the back then. */
  #makeRoom(): boolean {
    let looked = 0;
    for (const [handle, held] of this.#byHandle) {
      this.#byHandle.delete(handle);
      if (!('record' in held) || !held.record.writtenBehind) return true;
      this.#byHandle.set(handle, held);
      if (++looked >= 100) break;
    }
    return false;
  }
}

/** Whether it has been ended is looked up again at its next use. */
function unpacked(handle: string, packed: PackedSession): Held {
  return { record: unpackSession(handle, packed), checkedAt: -1, seenMs: packed.seenMs };
}
