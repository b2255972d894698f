import { utf8 } from '../core/channel/bytes.ts';
import { SallyportError } from '../core/errors/error.ts';

/**
 * What a request's body may be given as. A function is called again for every repetition; a stream can
 * be read once, so a request with one is sent again only while nothing of it was read.
 */
export type BodyInit = Uint8Array | string | BodyStream | (() => BodyStream);

export type BodyStream = ReadableStream<Uint8Array> | AsyncIterable<Uint8Array>;

/** The body of one request, through all of its repetitions. */
export class BodySource {
  readonly #init: Exclude<BodyInit, string> | undefined;
  #taken = false;
  /** What the app's own stream failed with: then sending again is of no use. */
  failure: SallyportError | undefined;

  constructor(init: BodyInit | undefined) {
    this.#init = typeof init === 'string' ? utf8(init) : init;
  }

  /** Bytes, where that is known from the beginning. */
  get length(): number | undefined {
    if (this.#init === undefined) return 0;
    return this.#init instanceof Uint8Array ? this.#init.length : undefined;
  }

  /** Whether it can be had as often as one likes. */
  get replayable(): boolean {
    const init = this.#init;
    return init === undefined || init instanceof Uint8Array || typeof init === 'function';
  }

  /** Whether it can be sent (again) now. */
  get available(): boolean {
    return !this.#taken || this.replayable;
  }

  /** From the beginning. */
  async *open(): AsyncGenerator<Uint8Array> {
    const init = this.#init;
    if (init === undefined) return;
    this.#taken = true;
    if (init instanceof Uint8Array) {
      if (init.length > 0) yield init;
      return;
    }
    const source = typeof init === 'function' ? init() : init;
    try {
      yield* source instanceof ReadableStream ? readStream(source) : source;
    } catch (cause) {
      this.failure = new SallyportError('CANCELLED', {
        message: 'the request’s body could not be read',
        cause,
      });
      throw this.failure;
    }
  }
}

/** Not every browser can iterate a ReadableStream. */
async function* readStream(stream: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = stream.getReader();
  let ended = false;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      ended = done;
      if (done) return;
      yield value;
    }
  } finally {
    if (!ended) await reader.cancel();
    reader.releaseLock();
  }
}
