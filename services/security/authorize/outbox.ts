import { SallyportError } from '#core/errors/error.ts';

/** Messages that wait to be sent on a stream; bounded, since the other side may be slow. Read by one loop. */
export class Outbox<T> implements AsyncIterable<T> {
  readonly #max: number;
  #waiting: T[] = [];
  #end: { readonly error?: unknown } | undefined;
  #wake: (() => void) | undefined;

  constructor(max: number) {
    this.#max = max;
  }

  /** Messages that wait. */
  get size(): number {
    return this.#waiting.length;
  }

  /** When there is no room the stream ends with OVERLOADED: whoever cannot follow begins anew. */
  push(message: T): void {
    if (this.#end !== undefined) return;
    if (this.#waiting.length >= this.#max) {
      this.#waiting = [];
      this.fail(new SallyportError('OVERLOADED', { message: 'this stream is not read fast enough' }));
      return;
    }
    this.#waiting.push(message);
    this.#wake?.();
  }

  /** What waits is still sent. */
  end(): void {
    this.#end ??= {};
    this.#wake?.();
  }

  fail(error: unknown): void {
    this.#end ??= { error };
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, void> {
    for (;;) {
      const next = this.#waiting;
      this.#waiting = [];
      yield* next;
      if (this.#waiting.length > 0) continue;
      if (this.#end !== undefined) {
        if ('error' in this.#end) throw this.#end.error;
        return;
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#wake = undefined;
    }
  }
}
