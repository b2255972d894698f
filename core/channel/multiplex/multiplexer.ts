import { SallyportError } from '#core/errors/error.ts';
import { Exchange, type IncomingResponse } from './exchange.ts';
import type { IncomingBody } from './incoming-body.ts';
import {
  errorOf,
  type MultiplexLimits,
  protocolError,
  type RequestHead,
  type ResponseHead,
  resetOf,
  type StreamMessage,
  suite1Limits,
} from './messages.ts';
import type { OutgoingBody } from './outgoing-body.ts';
import { RecentIds } from './recent-ids.ts';

/** A request that the device has begun. */
export interface OutgoingRequest {
  readonly id: number;
  /** Write the request's body here and end it; a request without a body is only ended. */
  readonly body: OutgoingBody;
  /** The response, once its head is there. Rejects with the error that ended the request. */
  response(): Promise<IncomingResponse>;
  /** Gives the request up. */
  reset(error: SallyportError): void;
}

/** A request that has reached the proxy. */
export interface IncomingRequest {
  readonly id: number;
  readonly head: RequestHead;
  readonly body: IncomingBody;
  /** Calls `run`, the last one given, with the error when either side gives the request up or the stream breaks. */
  onFailed(run: (error: SallyportError) => void): void;
  /** Sends the response's head and gives its body to write. Once. */
  respond(head: ResponseHead): OutgoingBody;
  /** Gives the request up. */
  reset(error: SallyportError): void;
}

export interface MultiplexerOptions {
  role: 'device' | 'proxy';
  /**
   * Seals and sends a message, in order, at once. Returns a promise while the transport is full,
   * which settles when it can take more: bodies wait for it. A rejection closes the multiplexer.
   */
  send(message: StreamMessage): Promise<void> | undefined;
  /**
   * Proxy: handles one request; settles when it is done with it. A rejection resets the request;
   * so does returning before the response is complete. Until it settles the request counts, even
   * if the device has given it up: a device that begins and resets cannot pile work up.
   */
  onRequest?(request: IncomingRequest): Promise<void>;
  /** Device: the proxy takes no new requests on this stream, for that reason; those under way go on. */
  onDrain?(reason: SallyportError): void;
  /** Smaller ones for tests; the other side must have the same. */
  limits?: Partial<MultiplexLimits>;
}

/**
 * Many HTTP requests over one ordered stream of messages, with credit per request and direction.
 * A pure state machine: feed it with `receive`, it answers through `send`.
 */
export class Multiplexer {
  readonly #options: MultiplexerOptions;
  readonly #limits: MultiplexLimits;
  readonly #exchanges = new Map<number, Exchange>();
  readonly #recent: RecentIds;
  #lastId = 0;
  /** Handlers that have not settled (proxy). */
  #handling = 0;
  #backlog = 0;
  #busy: Promise<void> | undefined;
  #refuse: SallyportError | undefined;
  #asked = false;
  #closed: SallyportError | undefined;

  constructor(options: MultiplexerOptions) {
    this.#options = options;
    this.#limits = { ...suite1Limits, ...options.limits };
    this.#recent = new RecentIds(this.#limits.rememberedIds);
  }

  /** Requests under way, including handlers that still run. */
  get active(): number {
    return Math.max(this.#exchanges.size, this.#handling);
  }

  /** The error that ended the stream, if it has ended. */
  get closed(): SallyportError | undefined {
    return this.#closed;
  }

  /**
   * Device: begins a request. Throws OVERLOADED when 256 are under way, SEQUENCE_EXHAUSTED when
   * the ids of this stream are used up, or the error that closed the stream.
   */
  request(head: RequestHead): OutgoingRequest {
    if (this.#closed) throw this.#closed;
    if (this.#exchanges.size >= this.#limits.maxRequests) {
      throw new SallyportError('OVERLOADED', {
        message: `${this.#limits.maxRequests} requests are under way on this stream`,
        hint: 'wait until one of them is done',
      });
    }
    if (this.#lastId >= 0xffff_ffff) throw new SallyportError('SEQUENCE_EXHAUSTED');
    const exchange = this.#add(++this.#lastId);
    this.#send({ requestId: exchange.id, kind: 'requestHead', head });
    return {
      id: exchange.id,
      body: exchange.outgoing,
      response: () => exchange.response(),
      reset: (error) => exchange.reset(error),
    };
  }

  /**
   * Takes the next message of the other side, in order. Throws MALFORMED for a breach of the
   * protocol, after which the multiplexer is closed and the stream should be ended with that error.
   */
  receive(message: StreamMessage): void {
    if (this.#closed) return;
    try {
      if (message.kind === 'requestHead') this.#accept(message.requestId, message.head);
      else if (message.requestId === 0 && message.kind === 'reset' && this.#options.role === 'device')
        this.#options.onDrain?.(errorOf(message.reset));
      else this.#pass(message);
    } catch (thrown) {
      const error = SallyportError.from(thrown);
      this.close(error);
      throw error;
    }
  }

  /**
   * Proxy, before it drains: the device is told, by a reset of request 0, to find itself another stream and to end
   * this one after its last answer. Until then it may go on using it.
   */
  askToLeave(error: SallyportError): void {
    if (this.#asked) return;
    this.#asked = true;
    this.#send({ requestId: 0, kind: 'reset', reset: resetOf(error) });
  }

  /** Proxy, when it drains: what is under way goes on, new requests are refused with this error. The device is told. */
  refuseNew(error: SallyportError): void {
    if (this.#refuse !== undefined) return;
    this.#refuse = error;
    this.askToLeave(error);
  }

  /** The stream is over: everything under way fails with the error, and nothing more is sent. */
  close(error: SallyportError): void {
    if (this.#closed) return;
    this.#closed = error;
    for (const exchange of [...this.#exchanges.values()]) exchange.fail(error);
  }

  #accept(id: number, head: RequestHead): void {
    const { onRequest, role } = this.#options;
    if (role !== 'proxy' || !onRequest) throw protocolError('a request to the device');
    if (id <= this.#lastId) throw protocolError(`request ${id} after request ${this.#lastId}`);
    this.#lastId = id;
    const refuse = this.#refuse ?? (this.active >= this.#limits.maxRequests ? this.#tooMany() : undefined);
    if (refuse) {
      this.#recent.add(id);
      this.#send({ requestId: id, kind: 'reset', reset: resetOf(refuse) });
      return;
    }
    const exchange = this.#add(id);
    this.#handling++;
    onRequest(this.#incomingRequest(exchange, head)).then(
      () => this.#handled(exchange, undefined),
      (thrown: unknown) => this.#handled(exchange, SallyportError.from(thrown)),
    );
  }

  #incomingRequest(exchange: Exchange, head: RequestHead): IncomingRequest {
    let responded = false;
    return {
      id: exchange.id,
      head,
      body: exchange.incoming,
      onFailed: (run) => exchange.onFailed(run),
      respond: (responseHead) => {
        if (responded) throw new SallyportError('INTERNAL', { message: 'a request is answered once' });
        responded = true;
        if (exchange.open) this.#send({ requestId: exchange.id, kind: 'responseHead', head: responseHead });
        return exchange.outgoing;
      },
      reset: (error) => exchange.reset(error),
    };
  }

  #handled(exchange: Exchange, error: SallyportError | undefined): void {
    this.#handling--;
    // Most are complete by now; an error that nobody gets would still cost its stack.
    if (!exchange.open) return;
    if (error) exchange.reset(error);
    else if (!exchange.outgoing.ended) {
      exchange.reset(new SallyportError('INTERNAL', { message: 'the response was not completed' }));
    } else {
      // Answered without reading the whole request, as HTTP allows.
      exchange.reset(new SallyportError('CANCELLED', { message: 'the rest of the body is not wanted' }));
    }
  }

  #pass(message: Exclude<StreamMessage, { kind: 'requestHead' }>): void {
    const exchange = this.#exchanges.get(message.requestId);
    if (exchange) exchange.receive(message, this.#options.role);
    // It was under way when the request ended here (RFC 9113 section 5.1, "closed").
    else if (!this.#recent.has(message.requestId)) {
      throw protocolError(`a message for request ${message.requestId}, which is not under way`);
    }
  }

  #add(id: number): Exchange {
    const exchange = new Exchange(id, {
      limits: this.#limits,
      send: (message) => this.#send(message),
      busy: () => this.#busy,
      closed: () => {
        this.#exchanges.delete(id);
        this.#recent.add(id);
      },
    });
    this.#exchanges.set(id, exchange);
    return exchange;
  }

  #tooMany(): SallyportError {
    return new SallyportError('OVERLOADED', {
      message: `${this.#limits.maxRequests} requests are under way on this stream`,
    });
  }

  #send(message: StreamMessage): void {
    if (this.#closed) return;
    if (this.#busy && ++this.#backlog > this.#limits.maxBacklog) {
      this.close(new SallyportError('OVERLOADED', { message: 'the other side does not read its stream' }));
      return;
    }
    const full = this.#options.send(message);
    if (!full) return;
    const waiting: Promise<void> = full.then(
      () => this.#ready(waiting),
      (thrown: unknown) => {
        this.#ready(waiting);
        this.close(SallyportError.from(thrown));
      },
    );
    this.#busy = waiting;
  }

  #ready(waiting: Promise<void>): void {
    if (this.#busy !== waiting) return;
    this.#busy = undefined;
    this.#backlog = 0;
  }
}
