import type { MessageInitShape } from '@bufbuild/protobuf';
import { createClient } from '@connectrpc/connect';
import type { RequestHead } from '../core/channel/multiplex/messages.ts';
import { Multiplexer, type OutgoingRequest } from '../core/channel/multiplex/multiplexer.ts';
import { Outbox } from '../core/channel/multiplex/outbox.ts';
import { decodeStreamFrame } from '../core/channel/multiplex/stream-codec.ts';
import { SallyportError } from '../core/errors/error.ts';
import { Relay, type StreamRequestSchema } from '../gen/sallyport/relay/v1/relay_pb.js';
import type { Attached } from './attach.ts';
import type { BodySource } from './body-source.ts';
import { clearFailure } from './failure.ts';
import type { Link, LinkOwner, Outcome, Sendable } from './link.ts';
import type { Platform } from './platform.ts';
import { lastWordMs, probe } from './probe.ts';
import { routeHeaders } from './route.ts';

/** Where there is no `setImmediate`, what is said after the next promise goes into another frame. */
const later =
  typeof setImmediate === 'function' ? (run: () => void) => void setImmediate(run) : queueMicrotask;

/** A link where all requests share one stream, with bodies of any length under back-pressure. */
export class StreamLink implements Link {
  readonly carrier = 'stream';
  readonly #attached: Attached;
  readonly #platform: Platform;
  readonly #owner: LinkOwner;
  readonly #outbox: Outbox;
  readonly #multiplexer: Multiplexer;
  readonly #abort = new AbortController();
  #lost: SallyportError | undefined;
  /** Aborted with the reason why nothing new is to be sent. */
  readonly #leaving = new AbortController();
  /** Under way, and given up when there is no sign of life. */
  readonly #repeatable = new Set<OutgoingRequest>();
  /** Aborted with what makes it suspect. */
  readonly #suspected = new AbortController();
  /** The attachment is proven, but not yet that the proxy has taken the stream. */
  #provenAt = Number.NEGATIVE_INFINITY;
  #usedAt: number;

  /** Opens the attachment's one stream, as a part of that trace. */
  constructor(attached: Attached, platform: Platform, owner: LinkOwner, traceparent?: string) {
    this.#attached = attached;
    this.#platform = platform;
    this.#owner = owner;
    this.#usedAt = platform.monotonic();
    this.#outbox = new Outbox({ batches: attached.batches, later });
    this.#multiplexer = new Multiplexer({
      role: 'device',
      send: (message) => this.#outbox.push(message),
      onDrain: (reason) => owner.draining(this, reason),
    });
    this.#read(traceparent).then(
      () => this.close(new SallyportError('UNAVAILABLE', { message: 'the proxy ended the stream' })),
      (thrown: unknown) => this.#broken(thrown),
    );
  }

  get proxy(): string {
    return this.#attached.proxy;
  }

  get epoch(): Uint8Array {
    return this.#attached.epoch;
  }

  get edge(): Attached['edge'] {
    return this.#attached.edge;
  }

  get lost(): SallyportError | undefined {
    return this.#lost;
  }

  get provenAt(): number {
    return this.#provenAt;
  }

  get usedAt(): number {
    return this.#usedAt;
  }

  async prove(signal: AbortSignal): Promise<void> {
    const request = this.#begin(probe);
    // Only because of too many requests under way, whose answers are proof enough.
    if (request instanceof SallyportError) {
      if (this.#lost) throw this.#lost;
      return;
    }
    const outcome = await this.#answer(request, signal, true);
    if (outcome.at === 'lost') throw outcome.error;
  }

  async send({ head, body, idempotent }: Sendable, signal: AbortSignal): Promise<Outcome> {
    this.#usedAt = this.#platform.monotonic();
    const request = this.#begin(head);
    if (request instanceof SallyportError) return { at: 'refused', error: request };
    startSending(request, body);
    const outcome = await this.#answer(request, signal, idempotent && body.replayable);
    if (outcome.at === 'answered' || body.failure === undefined) return outcome;
    return { at: 'failed', error: body.failure };
  }

  leave(error: SallyportError): void {
    if (this.#lost || this.#leaving.signal.aborted) return;
    this.#leaving.abort(error);
    this.#endIfIdle();
  }

  suspect(error: SallyportError): void {
    if (this.#lost || this.#suspected.signal.aborted) return;
    const since = this.#platform.monotonic();
    this.#suspected.abort(error);
    this.#owner.suspected(this, error);
    this.#leaving.abort(error);
    for (const request of this.#repeatable) request.reset(error);
    this.#closeIfForsaken();
    this.#platform.sleep(lastWordMs, this.#abort.signal).then(
      () => this.#provenAt < since && this.close(error),
      () => undefined,
    );
  }

  close(error: SallyportError): void {
    if (this.#lost) return;
    this.#lost = error;
    this.#multiplexer.close(error);
    this.#outbox.cut(error);
    this.#abort.abort(error);
    this.#attached.sealer.wipe();
    this.#attached.opener.wipe();
    this.#owner.lost(this, error);
  }

  /** A stream that was asked to be left ends from this side, after its last answer: so none is missed. */
  #endIfIdle(): void {
    if (this.#leaving.signal.aborted && this.#multiplexer.active === 0) this.#outbox.end();
  }

  /** One that is suspect, and on which nobody waits any more. */
  #closeIfForsaken(): void {
    const { aborted, reason } = this.#suspected.signal;
    if (aborted && this.#multiplexer.active === 0) this.close(SallyportError.from(reason));
  }

  #begin(head: RequestHead): OutgoingRequest | SallyportError {
    if (this.#leaving.signal.aborted) return SallyportError.from(this.#leaving.signal.reason);
    try {
      return this.#multiplexer.request(head);
    } catch (thrown) {
      const error = SallyportError.from(thrown);
      if (error.reason !== 'OVERLOADED') this.close(error);
      return error;
    }
  }

  async #answer(request: OutgoingRequest, signal: AbortSignal, repeatable: boolean): Promise<Outcome> {
    const suspected = this.#suspected.signal;
    if (repeatable) this.#repeatable.add(request);
    const giveUp = (): void => request.reset(SallyportError.from(signal.reason));
    if (signal.aborted) giveUp();
    else signal.addEventListener('abort', giveUp, { once: true });
    try {
      const { head, body } = await request.response();
      return { at: 'answered', head, body, leaving: this.#leaving.signal };
    } catch (thrown) {
      const error = SallyportError.from(thrown);
      // The multiplexer passes the very error on that closed it.
      if (signal.aborted || error === this.#lost || (repeatable && suspected.aborted)) {
        return { at: 'lost', error };
      }
      // Nobody here gave it up, so the proxy did, while it was busy with it: the backend may have begun.
      if (error.reason === 'CANCELLED') return { at: 'failed', error: brokenOff(error) };
      return { at: error.metadata.maybeExecuted === 'true' ? 'failed' : 'refused', error };
    } finally {
      signal.removeEventListener('abort', giveUp);
      this.#repeatable.delete(request);
      this.#closeIfForsaken();
    }
  }

  /** What this side says: first whose stream it is, then frames. */
  async *#sayings(): AsyncGenerator<MessageInitShape<typeof StreamRequestSchema>> {
    const { session, epoch, sealer } = this.#attached;
    yield { kind: { case: 'open', value: { sessionId: session.sessionId, epoch, batches: true } } };
    const seal = (plaintext: Uint8Array) => sealer.sealStream(plaintext);
    for (;;) {
      const frame = await this.#outbox.take(seal);
      if (frame === undefined) return;
      const { sequence, ciphertext } = frame;
      yield { kind: { case: 'frame', value: { sequence: BigInt(sequence), ciphertext } } };
    }
  }

  async #read(traceparent: string | undefined): Promise<void> {
    const { session, edge, opener } = this.#attached;
    const responses = createClient(Relay, edge.transport).stream(this.#sayings(), {
      signal: this.#abort.signal,
      headers: routeHeaders(session.routeKey, traceparent),
    });
    for await (const { frame } of responses) {
      if (this.#lost) return;
      if (!frame) throw new SallyportError('MALFORMED', { message: 'a message without a frame' });
      const plaintext = opener.openStream(frame.sequence, frame.ciphertext);
      this.#provenAt = this.#platform.monotonic();
      for (const message of decodeStreamFrame(plaintext)) this.#multiplexer.receive(message);
      this.#endIfIdle();
    }
  }

  #broken(thrown: unknown): void {
    const { from, error } = clearFailure(thrown);
    // An edge that says when to come again lives: it is a proxy that it has not reached.
    if (from === 'connection' && error.retryAfterMs === undefined) this.#owner.edgeFailed(this.edge, error);
    // What this side found wrong was changed on its way, or comes from a proxy that is out of order.
    const ours = thrown instanceof SallyportError;
    this.close(ours ? new SallyportError('UNAVAILABLE', { message: error.message, cause: error }) : error);
  }
}

function brokenOff(cause: SallyportError): SallyportError {
  return new SallyportError('BACKEND_FAILED', { metadata: cause.metadata, cause });
}

/** The body goes its way while the answer is awaited, and after: an answer may come before its end. */
function startSending(request: OutgoingRequest, body: BodySource): void {
  sendAll(request, body).catch((thrown: unknown) => {
    // Whoever waits for the answer is told why there is none; nothing happens if the request is over.
    request.reset(SallyportError.from(thrown));
  });
}

async function sendAll(request: OutgoingRequest, body: BodySource): Promise<void> {
  for await (const chunk of body.open()) await request.body.write(chunk);
  await request.body.end();
}
