import { SallyportError } from '#core/errors/error.ts';
import { concat } from '../bytes.ts';
import { type MultiplexLimits, protocolError } from './messages.ts';

/** What a body that is being received needs of its stream. */
export interface IncomingPort {
  sendCredit(bytes: number): void;
  /** The reader wants no more. */
  cancel(): void;
}

type State = { at: 'open' } | { at: 'ended' } | { at: 'failed'; error: SallyportError };
type Result = IteratorResult<Uint8Array, undefined>;

/**
 * The receiving half of a request: holds what has arrived, at most one window, and gives credit
 * back as it is read. Read it with `for await`; leaving the loop early gives the request up.
 */
export class IncomingBody implements AsyncIterable<Uint8Array> {
  readonly #port: IncomingPort;
  readonly #limits: MultiplexLimits;
  #state: State = { at: 'open' };
  #chunks: Uint8Array[] = [];
  #waiting: { resolve: (result: Result) => void; reject: (error: SallyportError) => void } | undefined;
  /** Bytes that the sender may still send. */
  #allowance: number;
  /** Bytes that were read and not yet given back as credit. */
  #read = 0;

  constructor(port: IncomingPort, limits: MultiplexLimits) {
    this.#port = port;
    this.#limits = limits;
    this.#allowance = limits.window;
  }

  /** A piece has arrived. Throws a protocol error when it is empty, too long, beyond credit or after the end. */
  push(data: Uint8Array): void {
    if (this.#state.at !== 'open') throw protocolError('data after the end of a body');
    if (data.length === 0 || data.length > this.#limits.maxData) {
      throw protocolError(`a piece of ${data.length} bytes`);
    }
    if (data.length > this.#allowance) throw protocolError('more data than there was credit for');
    this.#allowance -= data.length;
    const waiting = this.#waiting;
    if (!waiting) {
      this.#chunks.push(data);
      return;
    }
    this.#waiting = undefined;
    waiting.resolve({ done: false, value: data });
    this.#consumed(data.length);
  }

  /** The body is complete. Throws a protocol error when it was already. */
  finish(): void {
    if (this.#state.at !== 'open') throw protocolError('a body was ended twice');
    this.#state = { at: 'ended' };
    this.#waiting?.resolve({ done: true, value: undefined });
    this.#waiting = undefined;
  }

  /** Whether the end has arrived. */
  get finished(): boolean {
    return this.#state.at === 'ended';
  }

  /** The body will not be completed. What has arrived can still be read, and then the error comes. */
  fail(error: SallyportError): void {
    if (this.#state.at !== 'open') return;
    this.#state = { at: 'failed', error };
    this.#waiting?.reject(error);
    this.#waiting = undefined;
  }

  /** All that has arrived and is unread, once the end is there and nobody reads; else undefined, and nothing is taken. */
  takeRest(): Uint8Array | undefined {
    if (this.#state.at !== 'ended') return undefined;
    const chunks = this.#chunks;
    this.#chunks = [];
    const [only] = chunks;
    return only !== undefined && chunks.length === 1 ? only : concat(...chunks);
  }

  /** Drops what has arrived and is unread, for a reader that will not come back. */
  discard(): void {
    this.#chunks = [];
  }

  /** The next piece, or the end. Rejects with the error that ended the request. One reader at a time. */
  next(): Promise<Result> {
    const chunk = this.#chunks.shift();
    if (chunk) {
      this.#consumed(chunk.length);
      return Promise.resolve({ done: false, value: chunk });
    }
    if (this.#state.at === 'ended') return Promise.resolve({ done: true, value: undefined });
    if (this.#state.at === 'failed') return Promise.reject(this.#state.error);
    if (this.#waiting) {
      return Promise.reject(new SallyportError('INTERNAL', { message: 'a body has one reader at a time' }));
    }
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
    });
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array, undefined> {
    return {
      next: () => this.next(),
      return: () => {
        if (this.#state.at === 'open') this.#port.cancel();
        this.discard();
        return Promise.resolve({ done: true, value: undefined });
      },
    };
  }

  #consumed(bytes: number): void {
    if (this.#state.at !== 'open') return;
    this.#read += bytes;
    // In quarters of a window: few messages, and the sender never stands still for a reader who reads.
    if (this.#read < this.#limits.window / 4) return;
    const credit = this.#read;
    this.#read = 0;
    this.#allowance += credit;
    this.#port.sendCredit(credit);
  }
}

/**
 * The whole body in one piece. Gives the request up with TOO_LARGE when it is longer than
 * `maxBytes`; rejects with the error that ended the request.
 */
export async function collectBody(body: AsyncIterable<Uint8Array>, maxBytes: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of body) {
    length += chunk.length;
    if (length > maxBytes) {
      throw new SallyportError('TOO_LARGE', { message: `the body is longer than ${maxBytes} bytes` });
    }
    chunks.push(chunk);
  }
  return concat(...chunks);
}
