import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { beginAttach, completeAttach, type TrafficKeys } from '#core/channel/attach.ts';
import { FrameOpener, FrameSealer } from '#core/channel/frame.ts';
import type { RequestHead } from '#core/channel/multiplex/messages.ts';
import { type SessionMessageKind, sealSessionRequest } from '#core/channel/session-message.ts';
import {
  ExchangeRequestBodySchema,
  type ExchangeResponseBody,
  ExchangeResponseBodySchema,
  SessionMessageBodySchema,
} from '#gen/sallyport/channel/v1/channel_pb.js';
import {
  type AttachRequest,
  AttachRequestSchema,
  AttachResponseSchema,
  type ExchangeRequest,
  ExchangeRequestSchema,
  ExchangeResponseSchema,
} from '#gen/sallyport/relay/v1/relay_pb.js';
import {
  type RenewSessionRequest,
  RenewSessionRequestSchema,
  StepUpRequestSchema,
} from '#gen/sallyport/session/v1/session_pb.js';
import { channelCrypto } from '#kernel/crypto/channel-crypto.ts';
import type { Answer } from './answer.ts';
import type { CallOptions, EdgeCaller } from './edge-caller.ts';
import { goodMessage, routed, sessionService } from './hand-device.ts';

export const relay = '/sallyport.relay.v1.Relay';

export type Head = Partial<RequestHead>;

const none = new Uint8Array();

/** A session that was opened, and its key. */
export class HandSession {
  readonly id: string;
  readonly key: Uint8Array;
  readonly routeKey: string;
  readonly #caller: EdgeCaller;

  constructor(caller: EdgeCaller, opened: { id: string; key: Uint8Array; routeKey: string }) {
    this.#caller = caller;
    this.id = opened.id;
    this.key = opened.key;
    this.routeKey = opened.routeKey;
  }

  /** A good message; RenewSession and CloseSession look the same, and StepUp is one that shows nothing. */
  message(kind: SessionMessageKind, timeMs = Date.now(), key = this.key): RenewSessionRequest {
    const plaintext = toBinary(
      SessionMessageBodySchema,
      create(SessionMessageBodySchema, { timeMs: BigInt(timeMs) }),
    );
    const context = { kind, sessionId: this.id, sessionKey: key };
    const sealed = { sessionId: this.id, ...sealSessionRequest(channelCrypto, context, plaintext) };
    return create(RenewSessionRequestSchema, { sealed });
  }

  sendMessage(
    kind: SessionMessageKind,
    request: RenewSessionRequest,
    options: CallOptions = routed(this.routeKey),
  ): Promise<Answer> {
    if (kind === 'stepUp') {
      const { sessionId, nonce, ciphertext } = request.sealed ?? {};
      const parts = { sessionId: sessionId ?? '', nonce: nonce ?? none, ciphertext: ciphertext ?? none };
      const flat = toBinary(StepUpRequestSchema, create(StepUpRequestSchema, parts));
      return this.#caller.call(`${sessionService}/StepUp`, flat, options);
    }
    const method = kind === 'renew' ? 'RenewSession' : 'CloseSession';
    const bytes = toBinary(RenewSessionRequestSchema, request);
    return this.#caller.call(`${sessionService}/${method}`, bytes, options);
  }

  attaching(key = this.key): AttachRequest {
    return create(AttachRequestSchema, {
      sessionId: this.id,
      ...beginAttach(channelCrypto, key, this.id),
    });
  }

  sendAttach(request: AttachRequest, options: CallOptions = routed(this.routeKey)): Promise<Answer> {
    return this.#caller.call(`${relay}/Attach`, toBinary(AttachRequestSchema, request), options);
  }

  async attach(): Promise<HandAttachment> {
    const request = this.attaching();
    const reply = fromBinary(AttachResponseSchema, goodMessage(await this.sendAttach(request)));
    const { epoch, serverNonce, proxy, confirmation } = reply;
    const keys = completeAttach(
      channelCrypto,
      { sessionId: this.id, sessionKey: this.key },
      { epoch, deviceNonce: request.deviceNonce, serverNonce, proxy, confirmation },
    );
    return new HandAttachment(this.#caller, this, { epoch, keys, proxy });
  }
}

/** An attachment, and its numbers. */
export class HandAttachment {
  readonly session: HandSession;
  readonly epoch: Uint8Array;
  readonly keys: TrafficKeys;
  readonly proxy: string;
  readonly sealer: FrameSealer;
  readonly opener: FrameOpener;
  readonly #caller: EdgeCaller;

  constructor(
    caller: EdgeCaller,
    session: HandSession,
    attached: { epoch: Uint8Array; keys: TrafficKeys; proxy: string },
  ) {
    const { epoch, keys } = attached;
    const direction = { sessionId: session.id, epoch };
    this.#caller = caller;
    this.session = session;
    this.epoch = epoch;
    this.keys = keys;
    this.proxy = attached.proxy;
    this.sealer = new FrameSealer(channelCrypto, { ...direction, key: keys.deviceToProxy });
    this.opener = new FrameOpener(channelCrypto, { ...direction, key: keys.proxyToDevice });
  }

  /** A sealer that begins elsewhere, under the same key unless another is given. */
  sealerFrom(sequence: number, key = this.keys.deviceToProxy): FrameSealer {
    const direction = { sessionId: this.session.id, epoch: this.epoch, key };
    return new FrameSealer(channelCrypto, direction, sequence);
  }

  /** The message around a frame, by default one of this attachment's next number. */
  around(plaintext: Uint8Array, sealer = this.sealer): ExchangeRequest {
    const { sequence, ciphertext } = sealer.sealRequest(plaintext);
    const frame = { sequence: BigInt(sequence), ciphertext };
    return create(ExchangeRequestSchema, { sessionId: this.session.id, epoch: this.epoch, frame });
  }

  request(head: Head = {}, body: Uint8Array = new Uint8Array(), sealer = this.sealer): ExchangeRequest {
    const { headers = [], ...line } = head;
    const whole = {
      ...{ method: 'GET', authority: 'intranet.example', path: '/news', ...line },
      headers: [...headers],
    };
    return this.around(
      toBinary(ExchangeRequestBodySchema, create(ExchangeRequestBodySchema, { head: whole, body })),
      sealer,
    );
  }

  send(request: ExchangeRequest, headers: Readonly<Record<string, string>> = {}): Promise<Answer> {
    return this.#caller.call(`${relay}/Exchange`, toBinary(ExchangeRequestSchema, request), {
      headers: { ...routed(this.session.routeKey).headers, ...headers },
    });
  }

  /** What is behind the seal of a good answer. */
  inside(request: ExchangeRequest, answer: Answer): ExchangeResponseBody {
    const { frame } = fromBinary(ExchangeResponseSchema, goodMessage(answer));
    const plaintext = this.opener.openResponse(
      Number(request.frame?.sequence),
      frame?.sequence ?? 0n,
      frame?.ciphertext ?? new Uint8Array(),
    );
    return fromBinary(ExchangeResponseBodySchema, plaintext);
  }

  async exchange(head: Head = {}, body?: Uint8Array): Promise<ExchangeResponseBody> {
    const request = this.request(head, body);
    return this.inside(request, await this.send(request));
  }
}
