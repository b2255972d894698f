import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { createClient } from '@connectrpc/connect';
import { collectBody } from '../core/channel/multiplex/incoming-body.ts';
import { errorOf, type RequestHead } from '../core/channel/multiplex/messages.ts';
import { SallyportError } from '../core/errors/error.ts';
import {
  ExchangeRequestBodySchema,
  type ExchangeResponseBody,
  ExchangeResponseBodySchema,
} from '../gen/sallyport/channel/v1/channel_pb.js';
import { Relay } from '../gen/sallyport/relay/v1/relay_pb.js';
import type { Attached } from './attach.ts';
import type { BodySource } from './body-source.ts';
import { clearFailure, isTransient } from './failure.ts';
import type { Link, LinkOwner, Outcome, Sendable } from './link.ts';
import type { Platform } from './platform.ts';
import { probe } from './probe.ts';
import { routeHeaders } from './route.ts';

/** Bytes of a whole body in one frame, either way (docs/PROTOCOL.md). */
const maxExchangeBytes = 1_048_576;

/** A link where every request is a call of its own; for transports without streams. */
export class ExchangeLink implements Link {
  readonly carrier = 'exchange';
  readonly #attached: Attached;
  readonly #platform: Platform;
  readonly #owner: LinkOwner;
  #lost: SallyportError | undefined;
  #provenAt: number;
  #usedAt: number;

  constructor(attached: Attached, platform: Platform, owner: LinkOwner) {
    this.#attached = attached;
    this.#platform = platform;
    this.#owner = owner;
    this.#usedAt = this.#provenAt = platform.monotonic();
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
    const outcome = await this.#exchange(probe, new Uint8Array(), signal);
    if (outcome.at === 'lost') throw outcome.error;
  }

  async send({ head, body, traceparent }: Sendable, signal: AbortSignal): Promise<Outcome> {
    this.#usedAt = this.#platform.monotonic();
    if (this.#lost) return { at: 'refused', error: this.#lost };
    return this.#exchange(head, await wholeBody(body), signal, traceparent);
  }

  /** Each request is a call of its own: there is nothing to end. */
  leave(): void {}

  /** Each request is a call of its own, with the answer to which its keys go. */
  suspect(error: SallyportError): void {
    this.close(error);
  }

  close(error: SallyportError): void {
    if (this.#lost) return;
    this.#lost = error;
    this.#attached.sealer.wipe();
    this.#attached.opener.wipe();
    this.#owner.lost(this, error);
  }

  async #exchange(
    head: RequestHead,
    body: Uint8Array,
    signal: AbortSignal,
    traceparent?: string,
  ): Promise<Outcome> {
    const { sealer, opener, session, epoch, edge } = this.#attached;
    const plaintext = toBinary(
      ExchangeRequestBodySchema,
      create(ExchangeRequestBodySchema, { head: { ...head, headers: [...head.headers] }, body }),
    );
    const { sequence, ciphertext } = sealer.sealRequest(plaintext);
    let answer: ExchangeResponseBody;
    try {
      const { frame } = await createClient(Relay, edge.transport).exchange(
        { sessionId: session.sessionId, epoch, frame: { sequence: BigInt(sequence), ciphertext } },
        { signal, headers: routeHeaders(session.routeKey, traceparent) },
      );
      if (!frame) throw new SallyportError('UNSEALABLE', { message: 'an answer without a frame' });
      const opened = opener.openResponse(sequence, frame.sequence, frame.ciphertext);
      answer = fromBinary(ExchangeResponseBodySchema, opened);
    } catch (thrown) {
      if (signal.aborted) return { at: 'lost', error: SallyportError.from(signal.reason) };
      return this.#failed(thrown);
    }
    this.#provenAt = this.#platform.monotonic();
    return outcomeOf(answer);
  }

  #failed(thrown: unknown): Outcome {
    const { from, error } = clearFailure(thrown);
    if (from === 'connection') this.#owner.edgeFailed(this.edge, error);
    // What is wrong with the message itself is no reason to attach again.
    if (from === 'connection' || isTransient(error) || error.status === 'UNAUTHENTICATED') this.close(error);
    return { at: 'lost', error };
  }
}

function outcomeOf(answer: ExchangeResponseBody): Outcome {
  if (answer.error) {
    const error = errorOf(answer.error);
    return { at: answer.error.maybeExecuted ? 'failed' : 'refused', error };
  }
  if (!answer.head) {
    return {
      at: 'failed',
      error: new SallyportError('MALFORMED', { message: 'an answer without a head' }),
    };
  }
  return { at: 'answered', head: answer.head, body: onePiece(answer.body) };
}

async function* onePiece(body: Uint8Array): AsyncGenerator<Uint8Array> {
  if (body.length > 0) yield body;
}

async function wholeBody(body: BodySource): Promise<Uint8Array> {
  const { length } = body;
  if (length !== undefined && length > maxExchangeBytes) throw tooLarge();
  try {
    return await collectBody(body.open(), maxExchangeBytes);
  } catch (thrown) {
    const error = SallyportError.from(thrown);
    throw error.reason === 'TOO_LARGE' ? tooLarge() : error;
  }
}

function tooLarge(): SallyportError {
  return new SallyportError('TOO_LARGE', {
    message: `without streams a body has at most ${maxExchangeBytes} bytes`,
    hint: 'use a transport that has streams (sdk/node.ts), or send the body in parts',
  });
}
