import type { StreamMessage } from './messages.ts';
import { encodeByDescriptor, maxBatch } from './stream-codec.ts';
import { lengthOf, varintLength, writeMessage, writeVarint } from './stream-writer.ts';

/** Bytes of messages that go into one frame, unless one alone is longer. */
const frameBytes = 65_536;
/** Bytes that wait; from so many on, whoever sends is asked to wait until there are fewer than half. */
const fullAt = 2 * frameBytes;
/** Before the messages of a batch stand its tag and its length. */
const batchHeader = 6;
/** Before each of them, too. */
const entryHeader = 6;
const batchTag = 0x42;
const entryTag = 0x0a;

export interface OutboxOptions {
  /** Whether the other side takes several messages in a frame. */
  readonly batches: boolean;
  /**
   * Calls `run` after what is going on now, `setImmediate` where there is one: an idle transport waits that long
   * for what else is said in the same breath.
   */
  readonly later: (run: () => void) => void;
}

/** Messages of one frame, encoded. */
interface Page {
  readonly bytes: Uint8Array;
  /** End of what is written; it begins behind the room for the batch's header. */
  end: number;
  count: number;
  /** Where the first message begins, behind its own header. */
  readonly first: number;
}

/**
 * Messages that wait for the transport. Whoever owns the transport takes a frame's worth whenever it has room;
 * so the fuller it is, the more go into one frame, and an idle one gets the first within a turn of the event loop.
 */
export class Outbox {
  readonly #options: OutboxOptions;
  #pages: Page[] = [];
  #bytes = 0;
  #ended: { error: unknown } | 'done' | undefined;
  #wake: (() => void) | undefined;
  #room: { promise: Promise<void>; open: () => void } | undefined;

  constructor(options: OutboxOptions) {
    this.#options = options;
  }

  /** Bytes that wait. */
  get waiting(): number {
    return this.#bytes;
  }

  /** Takes a message, of which nothing is kept. Returns a promise while it is full; what is pushed then is kept too. */
  push(message: StreamMessage): Promise<void> | undefined {
    if (this.#ended !== undefined) return undefined;
    this.#write(message);
    if (this.#wake !== undefined) this.#options.later(this.#wake);
    this.#wake = undefined;
    if (this.#bytes < fullAt) return undefined;
    if (this.#room === undefined) {
      let open = (): void => {};
      const promise = new Promise<void>((resolve) => {
        open = resolve;
      });
      this.#room = { promise, open };
    }
    return this.#room.promise;
  }

  /**
   * The next frame, as `seal` makes it of its plaintext, which is a view that is good until `seal` returns.
   * Waits until there is one; undefined at the end. Rejects with the error that ended it. One taker at a time.
   */
  async take<T>(seal: (plaintext: Uint8Array) => T): Promise<T | undefined> {
    for (;;) {
      const page = this.#pages.shift();
      if (page !== undefined) {
        this.#bytes -= page.end;
        if (this.#bytes < fullAt / 2) this.#makeRoom();
        const sealed = seal(plaintextOf(page));
        release(page.bytes);
        return sealed;
      }
      if (this.#ended === 'done') return undefined;
      if (this.#ended !== undefined) throw this.#ended.error;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** What has been pushed is still delivered; then it ends, with the error if there is one. */
  end(error?: unknown): void {
    this.#ended ??= error === undefined ? 'done' : { error };
    this.#wake?.();
    this.#wake = undefined;
    this.#makeRoom();
  }

  /** It ends with the error at once; what waits is dropped. */
  cut(error: unknown): void {
    for (const page of this.#pages) release(page.bytes);
    this.#pages = [];
    this.#bytes = 0;
    this.#ended = { error };
    this.end();
  }

  #write(message: StreamMessage): void {
    const length = lengthOf(message);
    const encoded = length === undefined ? encodeByDescriptor(message) : undefined;
    const size = length ?? encoded?.length ?? 0;
    const page = this.#pageFor(entryHeader + size);
    const before = page.end;
    page.bytes[page.end] = entryTag;
    const at = writeVarint(page.bytes, page.end + 1, size);
    if (encoded === undefined) page.end = writeMessage(page.bytes, at, message);
    else {
      page.bytes.set(encoded, at);
      page.end = at + size;
    }
    page.count++;
    this.#bytes += page.end - before;
  }

  #pageFor(size: number): Page {
    const last = this.#pages.at(-1);
    const fits = last !== undefined && last.end + size <= last.bytes.length && last.count < maxBatch;
    if (fits && this.#options.batches) return last;
    const needed = batchHeader + size;
    const bytes = this.#options.batches && needed <= frameBytes ? pageOfBatch() : new Uint8Array(needed);
    const page = {
      bytes,
      end: batchHeader,
      count: 0,
      first: batchHeader + 1 + varintLength(size - entryHeader),
    };
    this.#pages.push(page);
    this.#bytes += batchHeader;
    return page;
  }

  #makeRoom(): void {
    this.#room?.open();
    this.#room = undefined;
  }
}

/** A message alone is a frame as it is; several are a batch, whose header ends where they begin. */
function plaintextOf({ bytes, end, count, first }: Page): Uint8Array {
  if (count === 1) return bytes.subarray(first, end);
  const length = end - batchHeader;
  const start = batchHeader - 1 - varintLength(length);
  bytes[start] = batchTag;
  writeVarint(bytes, start + 1, length);
  return bytes.subarray(start, end);
}

/** Pages for batches that nobody uses now: all streams of a process share them, as few are full at a time. */
const spare: Uint8Array[] = [];
const maxSpare = 16;

function pageOfBatch(): Uint8Array {
  return spare.pop() ?? new Uint8Array(frameBytes);
}

function release(bytes: Uint8Array): void {
  if (bytes.length === frameBytes && spare.length < maxSpare) spare.push(bytes);
}
