/** Messages that wait for the transport; more than so many and whoever sends is asked to wait. */
const fullAt = 16;

/**
 * Turns "send this" into an async iterable that a gRPC stream pulls. `push` returns a promise while the
 * queue is full, which is how the transport's back-pressure reaches the bodies.
 */
export class SendQueue<T extends object> implements AsyncIterable<T> {
  #items: T[] = [];
  #ended: { error: unknown } | 'done' | undefined;
  #wakeReader: (() => void) | undefined;
  #room: { promise: Promise<void>; open: () => void } | undefined;

  /** Messages that wait. */
  get length(): number {
    return this.#items.length;
  }

  push(item: T): Promise<void> | undefined {
    if (this.#ended !== undefined) return undefined;
    this.#items.push(item);
    this.#wake();
    if (this.#items.length < fullAt) return undefined;
    if (this.#room === undefined) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#room = { promise, open: resolve };
    }
    return this.#room.promise;
  }

  /** What has been pushed is still delivered; then the stream ends, with the error if there is one. */
  end(error?: unknown): void {
    this.#ended ??= error === undefined ? 'done' : { error };
    this.#wake();
    this.#makeRoom();
  }

  /** The stream ends with the error at once; what waits is dropped. */
  cut(error: unknown): void {
    this.#items = [];
    this.#ended = { error };
    this.end();
  }

  /** Takes up to `most` of what waits, for its reader, who has more than one sent at a time. */
  take(most: number): T[] {
    const taken = this.#items.splice(0, most);
    if (this.#items.length < fullAt / 2) this.#makeRoom();
    return taken;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T> {
    try {
      for (;;) {
        const item = this.#items.shift();
        if (item !== undefined) {
          if (this.#items.length < fullAt / 2) this.#makeRoom();
          yield item;
        } else if (this.#ended === 'done') return;
        else if (this.#ended !== undefined) throw this.#ended.error;
        else {
          await new Promise<void>((resolve) => {
            this.#wakeReader = resolve;
          });
        }
      }
    } finally {
      // Nobody reads any more: nobody is to wait for room either.
      this.#items = [];
      this.end();
    }
  }

  #wake(): void {
    this.#wakeReader?.();
    this.#wakeReader = undefined;
  }

  #makeRoom(): void {
    this.#room?.open();
    this.#room = undefined;
  }
}
