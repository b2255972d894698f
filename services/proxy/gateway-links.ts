import type { MessageInitShape } from '@bufbuild/protobuf';
import { isReason, SallyportError } from '#core/errors/error.ts';
import type {
  GatewayLink,
  InvokeStreamRequestSchema,
  InvokeStreamResponse,
  ServeRequest,
  ServeResponseSchema,
} from '#gen/sallyport/gateway/v1/gateway_pb.js';
import type { Handlers } from '#kernel/rpc/handlers.ts';
import type { Clock } from '#kernel/time/clock.ts';
import { SendQueue } from './send-queue.ts';

/** Milliseconds for a gateway to open another stream: when it has some, and when it has none at all. */
const waitMs = { busy: 2000, away: 300 };

/** A call to a gateway, whichever of the two has dialled. */
export interface GatewayCall {
  send(message: MessageInitShape<typeof InvokeStreamRequestSchema>): Promise<void>;
  /** Nothing more is sent. */
  end(): void;
  readonly responses: AsyncIterable<InvokeStreamResponse>;
  cancel(): void;
}

interface Link {
  readonly out: SendQueue<MessageInitShape<typeof ServeResponseSchema>>;
  readonly incoming: AsyncIterator<ServeRequest>;
}

interface Gateway {
  readonly idle: Link[];
  readonly waiting: { give(link: Link): void; hurry(): void }[];
  /** Streams of it, those with a call included. */
  open: number;
}

/** Streams that gateways have opened, each of which takes one call. */
export class GatewayLinks {
  readonly #gateways = new Map<string, Gateway>();
  readonly #clock: Clock;
  #closed = false;

  /** @param gateways those that dial */
  constructor(gateways: readonly string[], clock: Clock) {
    this.#clock = clock;
    this.setGateways(gateways);
  }

  /** Gateways have come or gone. Streams of those that are gone end when they have no call. */
  setGateways(names: readonly string[]): void {
    for (const name of names) {
      if (!this.#gateways.has(name)) this.#gateways.set(name, { idle: [], waiting: [], open: 0 });
    }
    for (const [name, { idle }] of this.#gateways) {
      if (names.includes(name)) continue;
      this.#gateways.delete(name);
      for (const { out } of idle.splice(0)) out.end();
    }
  }

  /** Whether it is for that gateway to dial. */
  dials(gateway: string): boolean {
    return this.#gateways.has(gateway);
  }

  get service(): Handlers<typeof GatewayLink> {
    return {
      serve: (requests, call) =>
        this.#serve(requests, call.caller.role === 'gateway' ? call.caller.pod : '', call.signal),
    };
  }

  /** A call by one of its streams. @throws UNAVAILABLE when it opens none in time: nothing was asked */
  async call(gateway: string): Promise<GatewayCall> {
    const of = this.#gateways.get(gateway);
    const link = of?.idle.shift() ?? (of && (await this.#next(of)));
    if (link === undefined) {
      throw new SallyportError('UNAVAILABLE', {
        message: `${gateway} has no stream open for a call`,
        metadata: { maybeExecuted: 'false', leaving: 'true' },
      });
    }
    const { out, incoming } = link;
    return {
      send: async (request) => {
        await out.push({ request } as MessageInitShape<typeof ServeResponseSchema>);
      },
      // The stream stays: it ends when the answer is whole.
      end: () => {},
      responses: answersOf(incoming),
      cancel: () => out.end(),
    };
  }

  /** Ends the streams that have no call, and takes no more. */
  close(): void {
    this.#closed = true;
    for (const { idle } of this.#gateways.values()) for (const { out } of idle.splice(0)) out.end();
  }

  #next(of: Gateway): Promise<Link | undefined> {
    return new Promise((resolve) => {
      const give = (link: Link | undefined): void => {
        timer.cancel();
        const at = of.waiting.indexOf(waiter);
        if (at >= 0) of.waiting.splice(at, 1);
        resolve(link);
      };
      const wait = (ms: number) => this.#clock.setTimer(ms, () => give(undefined));
      let timer = wait(of.open > 0 ? waitMs.busy : waitMs.away);
      const hurry = (): void => {
        timer.cancel();
        timer = wait(waitMs.away);
      };
      const waiter = { give, hurry };
      of.waiting.push(waiter);
    });
  }

  async *#serve(
    requests: AsyncIterable<ServeRequest>,
    name: string,
    signal: AbortSignal,
  ): AsyncGenerator<MessageInitShape<typeof ServeResponseSchema>> {
    const of = this.#gateways.get(name);
    if (of === undefined) {
      throw new SallyportError('CALLER_NOT_ALLOWED', { message: `"${name}" is no gateway that dials out` });
    }
    const incoming = requests[Symbol.asyncIterator]();
    const first = await incoming.next();
    if (first.done || first.value.kind.case !== 'ready') throw new SallyportError('MALFORMED');
    if (this.#closed) return;
    const link: Link = { out: new SendQueue(), incoming };
    const over = (): void => link.out.end();
    signal.addEventListener('abort', over, { once: true });
    of.open += 1;
    const next = of.waiting.shift();
    if (next) next.give(link);
    else of.idle.push(link);
    try {
      if (!signal.aborted) yield* link.out;
    } finally {
      signal.removeEventListener('abort', over);
      of.open -= 1;
      // It has died with all that it had: whoever waits for it is not to wait as for one that is busy.
      if (of.open === 0) for (const { hurry } of of.waiting) hurry();
      const at = of.idle.indexOf(link);
      if (at >= 0) of.idle.splice(at, 1);
    }
  }
}

/** @throws what the gateway says, or UNAVAILABLE when the stream breaks */
async function* answersOf(incoming: AsyncIterator<ServeRequest>): AsyncGenerator<InvokeStreamResponse> {
  for (;;) {
    let next: IteratorResult<ServeRequest>;
    try {
      next = await incoming.next();
    } catch (cause) {
      throw new SallyportError('UNAVAILABLE', { message: 'the gateway is gone', cause });
    }
    if (next.done) return;
    const { kind } = next.value;
    if (kind.case === 'failure') {
      const { reason, message, metadata, retryAfterMs } = kind.value;
      throw new SallyportError(isReason(reason) ? reason : 'INTERNAL', {
        message,
        metadata: { ...metadata },
        ...(retryAfterMs > 0 && { retryAfterMs }),
      });
    }
    if (kind.case !== 'answer') throw new SallyportError('MALFORMED');
    yield kind.value;
  }
}
