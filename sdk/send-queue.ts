/** Messages that wait for the transport; more than so many and whoever sends is asked to wait. */
const fullAt = 16;

/**
 * Turns "send this" into the async iterable that a streaming call reads. `push` returns a promise while
 * the queue is full: so the transport's back-pressure reaches the bodies.
 */
export class SendQueue<T> implements AsyncIterable<T> {
  #items: T[] = [];
  #ended = false;
  #wake: (() => void) | undefined;
  #room: { promise: Promise<void>; open: () => void } | undefined;

  push(item: T): Promise<void> | undefined {
    if (this.#ended) return undefined;
    this.#items.push(item);
    this.#wake?.();
    if (this.#items.length < fullAt) return undefined;
    if (!this.#room) {
      let open = (): void => {};
      const promise = new Promise<void>((resolve) => {
        open = resolve;
      });
      this.#room = { promise, open };
    }
    return this.#room.promise;
  }

  /** What has been pushed is still delivered. */
  end(): void {
    this.#ended = true;
    this.#wake?.();
    this.#makeRoom();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T> {
    try {
      for (;;) {
        const item = this.#items.shift();
        if (item !== undefined) {
          if (this.#items.length < fullAt / 2) this.#makeRoom();
          yield item;
        } else if (this.#ended) return;
        else {
          await new Promise<void>((resolve) => {
            this.#wake = resolve;
          });
        }
      }
    } finally {
      // Nobody reads any more: nobody is to wait for room either.
      this.#items = [];
      this.end();
    }
  }

  #makeRoom(): void {
    this.#room?.open();
    this.#room = undefined;
  }
}
