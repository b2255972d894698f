import { SallyportError } from '#core/errors/error.ts';
import { type MultiplexLimits, protocolError } from './messages.ts';

/** What a body that is being sent needs of its stream. */
export interface OutgoingPort {
  sendData(data: Uint8Array): void;
  sendEnd(): void;
  /** Defined while the transport is full; settles when it can take more. Never rejects. */
  busy(): Promise<void> | undefined;
}

type State = { at: 'open' } | { at: 'ended' } | { at: 'failed'; error: SallyportError };

const ended = Promise.resolve();

/** The sending half of a request: cuts what is written into messages and waits for credit and transport. */
export class OutgoingBody {
  readonly #port: OutgoingPort;
  readonly #limits: MultiplexLimits;
  #state: State = { at: 'open' };
  #credit: number;
  /** Wakes the write that waits for credit; there is at most one, since writes take turns. */
  #wake: (() => void) | undefined;
  #lastTurn: Promise<void> = ended;
  /** Writes and ends that wait or are being sent; what comes while there is none needs no turn. */
  #turns = 0;

  constructor(port: OutgoingPort, limits: MultiplexLimits) {
    this.#port = port;
    this.#limits = limits;
    this.#credit = limits.window;
  }

  /**
   * Sends bytes of any length, in order with other writes. Resolves when all of them are on their
   * way; until then the chunk must not be changed. Rejects with the error that ended the request.
   */
  async write(chunk: Uint8Array): Promise<void> {
    await this.offer(chunk);
  }

  /** As `write`; undefined when all of it is on its way already, and nobody need wait. */
  offer(chunk: Uint8Array): Promise<void> | undefined {
    let at = 0;
    if (this.#turns === 0 && this.#state.at === 'open') {
      while (at < chunk.length && this.#credit > 0 && this.#port.busy() === undefined) {
        at = this.#sendPiece(chunk, at);
      }
      if (at === chunk.length) return undefined;
    }
    return this.#inTurn(() => this.#deliver(chunk, at));
  }

  /** Tells that the body is complete, after all writes before it. Rejects as `write`; ending twice is fine. */
  end(): Promise<void> {
    if (this.#turns > 0 || this.#state.at === 'failed') return this.#inTurn(() => this.#end());
    this.#end();
    return ended;
  }

  /** Whether `end` was sent. */
  get ended(): boolean {
    return this.#state.at === 'ended';
  }

  /** The receiver has room for more. Throws a protocol error when it is beyond all bounds. */
  addCredit(bytes: number): void {
    if (bytes <= 0 || this.#credit + bytes > this.#limits.maxCredit) {
      throw protocolError(`credit of ${bytes} bytes on top of ${this.#credit}`);
    }
    this.#credit += bytes;
    this.#wakeUp();
  }

  /** Ends an unfinished body: what is being written, and whatever is written later, is refused. */
  fail(error: SallyportError): void {
    if (this.#state.at === 'open') this.#state = { at: 'failed', error };
    this.#wakeUp();
  }

  #end(): void {
    if (this.#state.at === 'ended') return;
    this.#check();
    this.#state = { at: 'ended' };
    this.#port.sendEnd();
  }

  async #deliver(chunk: Uint8Array, from: number): Promise<void> {
    let at = from;
    while (at < chunk.length) {
      this.#check();
      const busy = this.#port.busy();
      if (busy) await busy;
      else if (this.#credit === 0) await this.#moreCredit();
      else at = this.#sendPiece(chunk, at);
    }
  }

  /** As much as one message and the credit hold; returns where the rest begins. */
  #sendPiece(chunk: Uint8Array, at: number): number {
    const end = at + Math.min(this.#credit, this.#limits.maxData, chunk.length - at);
    this.#credit -= end - at;
    this.#port.sendData(at === 0 && end === chunk.length ? chunk : chunk.subarray(at, end));
    return end;
  }

  #moreCredit(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  #wakeUp(): void {
    this.#wake?.();
    this.#wake = undefined;
  }

  #check(): void {
    if (this.#state.at === 'failed') throw this.#state.error;
    if (this.#state.at === 'ended') {
      throw new SallyportError('INTERNAL', { message: 'a body was written to after its end' });
    }
  }

  async #inTurn(act: () => void | Promise<void>): Promise<void> {
    const before = this.#lastTurn;
    let done = () => {};
    this.#turns++;
    this.#lastTurn = new Promise((resolve) => {
      done = resolve;
    });
    try {
      await before;
      await act();
    } finally {
      this.#turns--;
      done();
    }
  }
}
