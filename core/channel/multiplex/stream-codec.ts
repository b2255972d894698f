import { create, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { SallyportError } from '#core/errors/error.ts';
import {
  StreamMessageSchema,
  type StreamMessage as WireMessage,
} from '#gen/sallyport/channel/v1/channel_pb.js';
import type { Header, StreamMessage } from './messages.ts';
import { readBatch, readMessage } from './stream-reader.ts';
import { lengthOf, writeMessage } from './stream-writer.ts';

/** Messages in one frame; as many as fit, and no more than a receiver takes. */
export const maxBatch = 4096;

/** One message as the plaintext of a stream frame: `sallyport.channel.v1.StreamMessage`. */
export function encodeStreamMessage(message: StreamMessage): Uint8Array {
  const length = lengthOf(message);
  if (length === undefined) return encodeByDescriptor(message);
  const bytes = new Uint8Array(length);
  writeMessage(bytes, 0, message);
  return bytes;
}

/** As `encodeStreamMessage`, by protobuf-es: for what is rare, and to prove the other against. */
export function encodeByDescriptor(message: StreamMessage): Uint8Array {
  return toBinary(
    StreamMessageSchema,
    create(StreamMessageSchema, { requestId: message.requestId, kind: kindOf(message) }),
  );
}

/** Several messages, each encoded before, as the plaintext of one frame; by protobuf-es. `Outbox` writes most. */
export function encodeBatch(encoded: readonly Uint8Array[]): Uint8Array {
  const messages = encoded.map(parse);
  return toBinary(
    StreamMessageSchema,
    create(StreamMessageSchema, { kind: { case: 'batch', value: { messages } } }),
  );
}

type Kind = NonNullable<MessageInitShape<typeof StreamMessageSchema>['kind']>;

function kindOf(message: StreamMessage): Kind {
  switch (message.kind) {
    case 'requestHead':
      return { case: 'requestHead', value: { ...message.head, headers: [...message.head.headers] } };
    case 'responseHead':
      return { case: 'responseHead', value: { ...message.head, headers: [...message.head.headers] } };
    case 'data':
      return { case: 'data', value: message.data };
    case 'end':
      return { case: 'end', value: true };
    case 'reset':
      return { case: 'reset', value: message.reset };
    case 'credit':
      return { case: 'credit', value: message.credit };
  }
}

/**
 * The messages in the plaintext of a stream frame: one, or a batch. Pieces of bodies are views into `bytes`, but
 * for small ones, which would keep all of it. Throws MALFORMED. The heads are not validated here.
 */
export function decodeStreamFrame(bytes: Uint8Array): StreamMessage[] {
  const places = readBatch(bytes);
  const messages = places === undefined ? decodeOdd(bytes) : decodePlaces(bytes, places);
  if (messages.length === 0 || messages.length > maxBatch) {
    throw new SallyportError('MALFORMED', { message: `a batch of ${messages.length} messages` });
  }
  for (const message of messages) {
    if (message.kind === 'data' && message.data.length * 4 < bytes.length)
      message.data = message.data.slice();
  }
  return messages;
}

/** Reads one message that is no batch. Throws MALFORMED. */
export function decodeStreamMessage(bytes: Uint8Array): StreamMessage {
  return readMessage(bytes, 0, bytes.length) ?? fromWire(parse(bytes));
}

function decodePlaces(bytes: Uint8Array, places: readonly number[]): StreamMessage[] {
  const messages: StreamMessage[] = [];
  for (let n = 0; n < places.length && messages.length <= maxBatch; n += 2) {
    const [start = 0, end = 0] = [places[n], places[n + 1]];
    messages.push(readMessage(bytes, start, end) ?? fromWire(parse(bytes.subarray(start, end))));
  }
  return messages;
}

/** One message, or a batch that is not written as most libraries write it. */
function decodeOdd(bytes: Uint8Array): StreamMessage[] {
  const message = readMessage(bytes, 0, bytes.length);
  if (message !== undefined) return [message];
  const parsed = parse(bytes);
  return parsed.kind.case === 'batch' ? parsed.kind.value.messages.map(fromWire) : [fromWire(parsed)];
}

function fromWire({ requestId, kind }: WireMessage): StreamMessage {
  switch (kind.case) {
    case 'requestHead': {
      const { method, authority, path, headers } = kind.value;
      return {
        requestId,
        kind: 'requestHead',
        head: { method, authority, path, headers: headers.map(plain) },
      };
    }
    case 'responseHead':
      return {
        requestId,
        kind: 'responseHead',
        head: { status: kind.value.status, headers: kind.value.headers.map(plain) },
      };
    case 'data':
      return { requestId, kind: 'data', data: kind.value };
    case 'end':
      return { requestId, kind: 'end' };
    case 'reset': {
      const { reason, message, hint, retryAfterMs, requestId: logId, maybeExecuted } = kind.value;
      const reset = { reason, message, hint, retryAfterMs, requestId: logId, maybeExecuted };
      return { requestId, kind: 'reset', reset };
    }
    case 'credit':
      return { requestId, kind: 'credit', credit: kind.value };
    default:
      throw new SallyportError('MALFORMED', { message: 'a stream message of no known kind' });
  }
}

const plain = ({ name, value }: Header): Header => ({ name, value });

function parse(bytes: Uint8Array): WireMessage {
  try {
    return fromBinary(StreamMessageSchema, bytes, { readUnknownFields: false });
  } catch (cause) {
    throw new SallyportError('MALFORMED', { message: 'a stream message cannot be read', cause });
  }
}
