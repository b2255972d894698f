/** A device of core/channel alone: what it sends, and when, is the test's to say. */
import { create, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { beginAttach, completeAttach } from '#core/channel/attach.ts';
import { FrameOpener, FrameSealer } from '#core/channel/frame.ts';
import { errorOf, type RequestHead } from '#core/channel/multiplex/messages.ts';
import { Multiplexer } from '#core/channel/multiplex/multiplexer.ts';
import { Outbox } from '#core/channel/multiplex/outbox.ts';
import { decodeStreamFrame } from '#core/channel/multiplex/stream-codec.ts';
import { SallyportError } from '#core/errors/error.ts';
import {
  ExchangeRequestBodySchema,
  type ExchangeResponseBody,
  ExchangeResponseBodySchema,
} from '#gen/sallyport/channel/v1/channel_pb.js';
import type { Relay, StreamRequestSchema } from '#gen/sallyport/relay/v1/relay_pb.js';
import { channelCrypto } from '#kernel/crypto/channel-crypto.ts';
import type { GrpcClient } from '#kernel/rpc/grpc-client.ts';
import { SendQueue } from '../send-queue.ts';
import type { FakeSession } from './fake-tier.ts';

export interface DeviceStream {
  readonly multiplexer: Multiplexer;
  /** Settles with the error that ended the stream; CANCELLED if the proxy just ended it. */
  readonly over: Promise<SallyportError>;
  /** Messages in each frame of the proxy, so far. */
  readonly received: readonly number[];
  /** Sends these bytes as a frame that was never sealed. */
  forge(sequence: number, ciphertext: Uint8Array): void;
  end(): void;
}

export interface DeviceAttachment {
  readonly epoch: Uint8Array;
  readonly sealer: FrameSealer;
  readonly opener: FrameOpener;
  /** A sealed Exchange request. */
  seal(head: Partial<RequestHead>, body?: Uint8Array): { sequence: bigint; ciphertext: Uint8Array };
  send(frame: { sequence: bigint; ciphertext: Uint8Array }): Promise<ExchangeResponseBody>;
  /** Throws what stands behind the seal, too. */
  exchange(head: Partial<RequestHead>, body?: Uint8Array): Promise<ExchangeResponseBody>;
  /** `batches`: whether either side puts several messages into a frame; default true. */
  stream(options?: { batches?: boolean }): DeviceStream;
}

export const headOf = (head: Partial<RequestHead>): RequestHead => ({
  method: 'GET',
  authority: 'intranet.example',
  path: '/',
  headers: [],
  ...head,
});

export async function attach(
  relay: GrpcClient<typeof Relay>,
  session: FakeSession,
): Promise<DeviceAttachment> {
  const sessionId = session.id;
  const headers = { 'x-sallyport-route': session.routeKey };
  const begun = beginAttach(channelCrypto, session.key, sessionId);
  const reply = await relay.attach({ sessionId, ...begun }, { headers });
  const keys = completeAttach(
    channelCrypto,
    { sessionId, sessionKey: session.key },
    { ...reply, deviceNonce: begun.deviceNonce },
  );
  const { epoch } = reply;
  const sealer = new FrameSealer(channelCrypto, { sessionId, epoch, key: keys.deviceToProxy });
  const opener = new FrameOpener(channelCrypto, { sessionId, epoch, key: keys.proxyToDevice });
  const device: DeviceAttachment = {
    epoch,
    sealer,
    opener,
    seal: (head, body = new Uint8Array()) => {
      const message = create(ExchangeRequestBodySchema, {
        head: { ...headOf(head), headers: [...headOf(head).headers] },
        body,
      });
      const { sequence, ciphertext } = sealer.sealRequest(toBinary(ExchangeRequestBodySchema, message));
      return { sequence: BigInt(sequence), ciphertext };
    },
    send: async (frame) => {
      const answer = await relay.exchange({ sessionId, epoch, frame }, { headers });
      if (!answer.frame) throw new Error('no frame');
      const { sequence, ciphertext } = answer.frame;
      const plaintext = opener.openResponse(Number(frame.sequence), sequence, ciphertext);
      return fromBinary(ExchangeResponseBodySchema, plaintext);
    },
    exchange: async (head, body) => {
      const answer = await device.send(device.seal(head, body));
      if (answer.error) throw errorOf(answer.error);
      return answer;
    },
    stream: ({ batches = true } = {}) =>
      openStream(relay, sessionId, headers, device, batches && reply.batches),
  };
  return device;
}

function openStream(
  relay: GrpcClient<typeof Relay>,
  sessionId: string,
  headers: Record<string, string>,
  { epoch, sealer, opener }: DeviceAttachment,
  batches: boolean,
): DeviceStream {
  const call = relay.stream({ headers });
  const queue = new SendQueue<MessageInitShape<typeof StreamRequestSchema>>();
  const received: number[] = [];
  const outbox = new Outbox({ batches, later: setImmediate });
  const multiplexer = new Multiplexer({ role: 'device', send: (message) => outbox.push(message) });
  void queue.push({ kind: { case: 'open', value: { sessionId, epoch, batches } } });
  const pack = async (): Promise<void> => {
    const seal = (plaintext: Uint8Array) => sealer.sealStream(plaintext);
    for (let frame = await outbox.take(seal); frame !== undefined; frame = await outbox.take(seal)) {
      const { sequence, ciphertext } = frame;
      await queue.push({ kind: { case: 'frame', value: { sequence: BigInt(sequence), ciphertext } } });
    }
    queue.end();
  };
  const write = async (): Promise<void> => {
    for await (const message of queue) await call.send(message);
    call.end();
  };
  const read = async (): Promise<void> => {
    for await (const { frame } of call.responses) {
      if (!frame) throw new Error('no frame');
      const plaintext = opener.openStream(frame.sequence, frame.ciphertext);
      const messages = decodeStreamFrame(plaintext);
      received.push(messages.length);
      for (const message of messages) multiplexer.receive(message);
    }
  };
  const ended = (thrown: unknown): SallyportError => {
    const error = SallyportError.from(thrown);
    multiplexer.close(error);
    outbox.cut(error);
    queue.cut(error);
    return error;
  };
  const over = read().then(() => ended(new SallyportError('CANCELLED')), ended);
  // What ends the sending ends the reading too, and is told there.
  write().catch(() => undefined);
  pack().catch(() => undefined);
  return {
    multiplexer,
    over,
    received,
    forge: (sequence, ciphertext) => {
      void queue.push({ kind: { case: 'frame', value: { sequence: BigInt(sequence), ciphertext } } });
    },
    end: () => outbox.end(),
  };
}
