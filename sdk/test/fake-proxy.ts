import { create, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import type { ServiceImpl } from '@connectrpc/connect';
import { FrameOpener, FrameSealer } from '../../core/channel/frame.ts';
import { collectBody } from '../../core/channel/multiplex/incoming-body.ts';
import { type RequestHead, type ResponseHead, resetOf } from '../../core/channel/multiplex/messages.ts';
import { type IncomingRequest, Multiplexer } from '../../core/channel/multiplex/multiplexer.ts';
import { Outbox } from '../../core/channel/multiplex/outbox.ts';
import { decodeStreamFrame } from '../../core/channel/multiplex/stream-codec.ts';
import { nobleCrypto } from '../../core/channel/noble-crypto.ts';
import { SallyportError } from '../../core/errors/error.ts';
import {
  ExchangeRequestBodySchema,
  ExchangeResponseBodySchema,
} from '../../gen/sallyport/channel/v1/channel_pb.js';
import type { Relay, StreamRequest, StreamResponseSchema } from '../../gen/sallyport/relay/v1/relay_pb.js';
import type { FakeTier } from './fake-tier.ts';

/** What the intranet says to a request. */
export type Backend = (
  head: RequestHead,
  body: AsyncIterable<Uint8Array>,
) => Promise<{ head: ResponseHead; body: AsyncIterable<Uint8Array> }>;

interface Held {
  sessionId: string;
  sealer: FrameSealer;
  opener: FrameOpener;
  streamed: boolean;
}

/** A proxy in memory: real attachments, frames and streams, a function for a backend. */
export class FakeProxy {
  readonly name: string;
  attaches = 0;
  streams = 0;
  /** Stream frames that it has opened, and the messages that were in them. */
  frames = 0;
  messages = 0;
  /** Refuses what is new, with ATTACH_REQUIRED, as a proxy that is told to stop. */
  draining = false;
  /** Whether it takes several messages in a frame; one of before does not, nor says that it does. */
  batches = true;
  /** Until it resolves nothing is read, as by a process that gets no CPU; its connections stand. */
  frozen: Promise<void> | undefined;
  /** Aborted when it dies; its edge then breaks what goes through it. */
  #death = new AbortController();
  readonly #tier: FakeTier;
  readonly #backend: Backend;
  readonly #held = new Map<string, Held>();
  readonly #multiplexers = new Set<Multiplexer>();

  constructor(name: string, tier: FakeTier, backend: Backend) {
    this.name = name;
    this.#tier = tier;
    this.#backend = backend;
  }

  get death(): AbortSignal {
    return this.#death.signal;
  }

  /** Dies, and is there again with an empty memory. */
  restart(): void {
    const before = this.#death;
    this.#death = new AbortController();
    this.forget();
    before.abort();
  }

  forget(): void {
    this.#held.clear();
  }

  /** Goes on taking requests of those that it has. */
  askToLeave(): void {
    this.draining = true;
    for (const multiplexer of this.#multiplexers)
      multiplexer.askToLeave(new SallyportError('ATTACH_REQUIRED'));
  }

  drain(): void {
    this.draining = true;
    for (const multiplexer of this.#multiplexers)
      multiplexer.refuseNew(new SallyportError('ATTACH_REQUIRED'));
  }

  readonly relay: ServiceImpl<typeof Relay> = {
    attach: ({ sessionId, deviceNonce, proof }) => {
      this.attaches++;
      if (this.draining) throw new SallyportError('ATTACH_REQUIRED');
      const { epoch, serverNonce, keys, confirmation } = this.#tier.lease(
        { sessionId, deviceNonce, proof },
        this.name,
      );
      const direction = { sessionId, epoch };
      this.#held.set(epoch.join(), {
        sessionId,
        sealer: new FrameSealer(nobleCrypto, { ...direction, key: keys.proxyToDevice }),
        opener: new FrameOpener(nobleCrypto, { ...direction, key: keys.deviceToProxy }),
        streamed: false,
      });
      return { epoch, serverNonce, proxy: this.name, confirmation, batches: this.batches };
    },

    exchange: async ({ epoch, frame }) => {
      const held = this.#find(epoch);
      if (!frame) throw new SallyportError('MALFORMED');
      const request = fromBinary(
        ExchangeRequestBodySchema,
        held.opener.openRequest(frame.sequence, frame.ciphertext),
      );
      if (!request.head) throw new SallyportError('MALFORMED');
      const answer = await this.#answer(request.head, pieces(request.body));
      const { sequence, ciphertext } = held.sealer.sealResponse(
        Number(frame.sequence),
        toBinary(ExchangeResponseBodySchema, create(ExchangeResponseBodySchema, answer)),
      );
      return { frame: { sequence: BigInt(sequence), ciphertext } };
    },

    stream: (requests) => this.#stream(requests),
  };

  async #answer(
    head: RequestHead,
    body: AsyncIterable<Uint8Array>,
  ): Promise<MessageInitShape<typeof ExchangeResponseBodySchema>> {
    try {
      const answer = await this.#ask(head, body);
      const { status, headers } = answer.head;
      return { head: { status, headers: [...headers] }, body: await collectBody(answer.body, 1_048_576) };
    } catch (thrown) {
      return { error: resetOf(SallyportError.from(thrown)) };
    }
  }

  async #ask(head: RequestHead, body: AsyncIterable<Uint8Array>): ReturnType<Backend> {
    if (head.method === 'TRACE') throw new SallyportError('REQUEST_INVALID');
    return this.#backend(head, body);
  }

  async *#stream(
    requests: AsyncIterable<StreamRequest>,
  ): AsyncGenerator<MessageInitShape<typeof StreamResponseSchema>> {
    this.streams++;
    const incoming = requests[Symbol.asyncIterator]();
    const first = await incoming.next();
    if (first.done || first.value.kind.case !== 'open') throw new SallyportError('MALFORMED');
    const { epoch, batches } = first.value.kind.value;
    const held = this.#find(epoch);
    if (held.streamed) throw new SallyportError('ATTACH_REQUIRED');
    held.streamed = true;
    const { death } = this;
    const outbox = new Outbox({ batches: batches && this.batches, later: setImmediate });
    const multiplexer = new Multiplexer({
      role: 'proxy',
      send: (message) => outbox.push(message),
      onRequest: (request) => (death.aborted ? new Promise(() => {}) : this.#handle(request)),
    });
    this.#multiplexers.add(multiplexer);
    let failure: unknown;
    const reading = (async () => {
      for (let next = await incoming.next(); !next.done; next = await incoming.next()) {
        await this.frozen;
        if (next.value.kind.case !== 'frame') throw new SallyportError('MALFORMED');
        const { sequence, ciphertext } = next.value.kind.value;
        const messages = decodeStreamFrame(held.opener.openStream(sequence, ciphertext));
        if (!this.batches && messages.length > 1) throw new SallyportError('MALFORMED');
        this.frames++;
        this.messages += messages.length;
        for (const message of messages) multiplexer.receive(message);
      }
    })()
      .catch((thrown: unknown) => {
        failure = thrown;
      })
      .finally(() => outbox.end());
    try {
      for (;;) {
        const frame = await outbox.take((plaintext) => held.sealer.sealStream(plaintext));
        if (frame === undefined) break;
        yield { frame: { sequence: BigInt(frame.sequence), ciphertext: frame.ciphertext } };
      }
      await reading;
      if (failure !== undefined) throw failure;
    } finally {
      this.#multiplexers.delete(multiplexer);
      multiplexer.close(new SallyportError('CANCELLED'));
    }
  }

  async #handle(request: IncomingRequest): Promise<void> {
    const answer = await this.#ask(request.head, request.body);
    const body = request.respond(answer.head);
    for await (const chunk of answer.body) await body.write(chunk);
    await body.end();
  }

  #find(epoch: Uint8Array): Held {
    const held = this.#held.get(epoch.join());
    if (!held) throw new SallyportError('ATTACH_REQUIRED');
    return held;
  }
}

async function* pieces(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  if (bytes.length > 0) yield bytes;
}
