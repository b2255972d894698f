import { create, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { SallyportError } from '#core/errors/error.ts';
import { StreamMessageSchema } from '#gen/sallyport/channel/v1/channel_pb.js';
import type { StreamMessage } from './messages.ts';

/** The plaintext of a stream frame: `sallyport.channel.v1.StreamMessage`. */
export function encodeStreamMessage(message: StreamMessage): Uint8Array {
  return toBinary(
    StreamMessageSchema,
    create(StreamMessageSchema, { requestId: message.requestId, kind: kindOf(message) }),
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

/** Reads the plaintext of a stream frame. Throws MALFORMED. The heads are not validated here. */
export function decodeStreamMessage(bytes: Uint8Array): StreamMessage {
  const { requestId, kind } = parse(bytes);
  switch (kind.case) {
    case 'requestHead': {
      const { method, authority, path, headers } = kind.value;
      return { requestId, kind: 'requestHead', head: { method, authority, path, headers } };
    }
    case 'responseHead':
      return {
        requestId,
        kind: 'responseHead',
        head: { status: kind.value.status, headers: kind.value.headers },
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

function parse(bytes: Uint8Array) {
  try {
    return fromBinary(StreamMessageSchema, bytes);
  } catch (cause) {
    throw new SallyportError('MALFORMED', { message: 'a stream message cannot be read', cause });
  }
}
