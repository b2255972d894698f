import { SallyportError } from '#core/errors/error.ts';
import { IncomingBody } from './incoming-body.ts';
import {
  errorOf,
  type MultiplexLimits,
  protocolError,
  type ResponseHead,
  resetOf,
  type StreamMessage,
} from './messages.ts';
import { OutgoingBody } from './outgoing-body.ts';

/** What one request needs of the stream that carries it. */
export interface ExchangePort {
  readonly limits: MultiplexLimits;
  send(message: StreamMessage): void;
  busy(): Promise<void> | undefined;
  /** The request is over; its id is remembered for a while. */
  closed(id: number): void;
}

/** The answer to a request. */
export interface IncomingResponse {
  head: ResponseHead;
  body: IncomingBody;
}

/** What has become of the response, as the device sees it. */
type Answer =
  | {
      at: 'awaited';
      waiters: { resolve: (a: IncomingResponse) => void; reject: (e: SallyportError) => void }[];
    }
  | { at: 'begun'; response: IncomingResponse }
  | { at: 'failed'; error: SallyportError };

/** One request and its response, either side: two bodies that end separately, or together by a reset. */
export class Exchange {
  readonly id: number;
  readonly outgoing: OutgoingBody;
  readonly incoming: IncomingBody;
  readonly #port: ExchangePort;
  #onFailed: ((error: SallyportError) => void) | undefined;
  #failed: SallyportError | undefined;
  #answer: Answer = { at: 'awaited', waiters: [] };
  #open = true;

  constructor(id: number, port: ExchangePort) {
    this.id = id;
    this.#port = port;
    this.outgoing = new OutgoingBody(
      {
        sendData: (data) => port.send({ requestId: id, kind: 'data', data }),
        sendEnd: () => {
          port.send({ requestId: id, kind: 'end' });
          this.#closeIfDone();
        },
        busy: () => port.busy(),
      },
      port.limits,
    );
    this.incoming = new IncomingBody(
      {
        sendCredit: (credit) => port.send({ requestId: id, kind: 'credit', credit }),
        cancel: () => this.reset(new SallyportError('CANCELLED')),
      },
      port.limits,
    );
  }

  /** Whether it is neither complete nor given up. */
  get open(): boolean {
    return this.#open;
  }

  /** Calls `run` with the error, at once if need be, when the request is given up by either side or the stream breaks. */
  onFailed(run: (error: SallyportError) => void): void {
    if (this.#failed !== undefined) run(this.#failed);
    else this.#onFailed = run;
  }

  /** Device: the response, once its head is there. Rejects with the error that ended the request. */
  response(): Promise<IncomingResponse> {
    const answer = this.#answer;
    if (answer.at === 'begun') return Promise.resolve(answer.response);
    if (answer.at === 'failed') return Promise.reject(answer.error);
    return new Promise((resolve, reject) => {
      answer.waiters.push({ resolve, reject });
    });
  }

  /** A message for this request has arrived. Throws protocol errors. */
  receive(message: Exclude<StreamMessage, { kind: 'requestHead' }>, role: 'device' | 'proxy'): void {
    switch (message.kind) {
      case 'responseHead':
        if (role === 'proxy') throw protocolError('a response from the device');
        this.#begin(message.head);
        return;
      case 'data':
        this.#expectHead(role);
        this.incoming.push(message.data);
        return;
      case 'end':
        this.#expectHead(role);
        this.incoming.finish();
        this.#closeIfDone();
        return;
      case 'credit':
        this.outgoing.addCredit(message.credit);
        return;
      case 'reset':
        this.fail(errorOf(message.reset));
        return;
    }
  }

  /** Gives the request up and tells the other side. Nothing happens when it is over already. */
  reset(error: SallyportError): void {
    if (!this.#open) return;
    this.#port.send({ requestId: this.id, kind: 'reset', reset: resetOf(error) });
    this.fail(error);
    this.incoming.discard();
  }

  /** The request has failed, without telling the other side: it said so itself, or cannot be reached. */
  fail(error: SallyportError): void {
    if (!this.#open) return;
    const answer = this.#answer;
    if (answer.at === 'awaited') {
      this.#answer = { at: 'failed', error };
      for (const waiter of answer.waiters) waiter.reject(error);
    }
    this.incoming.fail(error);
    this.outgoing.fail(error);
    this.#close();
    this.#failed = error;
    this.#onFailed?.(error);
  }

  #begin(head: ResponseHead): void {
    const answer = this.#answer;
    if (answer.at !== 'awaited') throw protocolError('a second response to one request');
    const response = { head, body: this.incoming };
    this.#answer = { at: 'begun', response };
    for (const waiter of answer.waiters) waiter.resolve(response);
  }

  #expectHead(role: 'device' | 'proxy'): void {
    if (role === 'device' && this.#answer.at !== 'begun') throw protocolError('a body before the response');
  }

  #closeIfDone(): void {
    if (this.outgoing.ended && this.incoming.finished) this.#close();
  }

  #close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#port.closed(this.id);
  }
}
