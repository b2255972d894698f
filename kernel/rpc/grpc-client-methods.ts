import {
  create,
  type DescMessage,
  type DescMethod,
  type Message,
  type MessageInitShape,
  toBinary,
} from '@bufbuild/protobuf';
import type { ClientDuplexStream, ClientReadableStream, ClientWritableStream } from '@grpc/grpc-js';
import { SallyportError } from '#core/errors/error.ts';
import { ClientCall, type ClientContext } from './grpc-client-call.ts';
import type { CallOptions, Requests, Responses } from './grpc-client-types.ts';
import { readMessage } from './validate.ts';

type Init = MessageInitShape<DescMessage>;
const none: CallOptions = {};

/** The client's side of one method, its types erased; `ClientMethod` says what they are. */
export function methodOf(method: DescMethod, context: ClientContext): unknown {
  const name = `${method.parent.typeName}/${method.name}`;
  const path = `/${name}`;
  const { client } = context;
  const write = (message: Init): Buffer => {
    const bytes = toBinary(method.input, create(method.input, message));
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  };
  const read = (bytes: Buffer): Message => readResponse(method.output, bytes);
  const limited = (options: CallOptions): ClientCall =>
    new ClientCall(name, context, options, context.options.defaultDeadlineMs);
  const unlimited = (options: CallOptions): ClientCall =>
    new ClientCall(name, context, options, Number.POSITIVE_INFINITY);

  switch (method.methodKind) {
    case 'unary':
      return (request: Init, options = none): Promise<Message> =>
        new Promise((resolve, reject) => {
          const bytes = write(request);
          const call = limited(options);
          const done = settle(call, read, resolve, reject);
          call.begun(
            client.makeUnaryRequest(path, asItIs, asItIs, bytes, call.metadata, call.grpcOptions, done),
          );
        });
    case 'client_streaming':
      return (options = none) => {
        const call = limited(options);
        const { promise, resolve, reject } = Promise.withResolvers<Message>();
        const done = settle(call, read, resolve, reject);
        // Whoever does not wait for the response learns of a failure by `send`.
        promise.catch((error: unknown) => call.end(error));
        const stream = client.makeClientStreamRequest(
          path,
          asItIs,
          asItIs,
          call.metadata,
          call.grpcOptions,
          done,
        );
        stream.on('error', (error: unknown) => call.end(error));
        call.begun(stream);
        const finish = (): Promise<Message> => {
          stream.end();
          return promise;
        };
        return { ...requestsOf(call, stream, write), finish, cancel: () => call.cancel() };
      };
    case 'server_streaming':
      return (request: Init, options = none): Responses<Message> => {
        const bytes = write(request);
        const call = unlimited(options);
        const stream = client.makeServerStreamRequest(
          path,
          asItIs,
          asItIs,
          bytes,
          call.metadata,
          call.grpcOptions,
        );
        return responsesOf(call, stream, read);
      };
    case 'bidi_streaming':
      return (options = none) => {
        const call = unlimited(options);
        const stream = client.makeBidiStreamRequest(path, asItIs, asItIs, call.metadata, call.grpcOptions);
        const end = (): void => void stream.end();
        return { ...requestsOf(call, stream, write), ...responsesOf(call, stream, read), end };
      };
  }
}

const asItIs = (bytes: Buffer): Buffer => bytes;

/** The callback by which grpc-js gives the one response. */
function settle(
  call: ClientCall,
  read: (bytes: Buffer) => Message,
  resolve: (message: Message) => void,
  reject: (error: unknown) => void,
) {
  return (thrown: unknown, bytes?: Buffer): void => {
    let message: Message | undefined;
    let failure: unknown = thrown ?? undefined;
    try {
      if (bytes && !failure) message = read(bytes);
    } catch (unreadable) {
      failure = unreadable;
    }
    const error = call.end(failure);
    if (message && !error) resolve(message);
    else reject(error ?? new SallyportError('INTERNAL', { message: 'neither an error nor a response' }));
  };
}

function requestsOf(
  call: ClientCall,
  stream: ClientWritableStream<Buffer> | ClientDuplexStream<Buffer, Buffer>,
  write: (message: Init) => Buffer,
): Requests<Init> {
  return {
    send: async (message) => {
      const bytes = write(message);
      if (call.over || stream.writableEnded) throw call.unsendable;
      if (!stream.write(bytes)) await call.room(stream);
    },
  };
}

function responsesOf(
  call: ClientCall,
  stream: ClientReadableStream<Buffer> | ClientDuplexStream<Buffer, Buffer>,
  read: (bytes: Buffer) => Message,
): Responses<Message> {
  stream.on('error', (error: unknown) => call.end(error));
  stream.on('status', () => call.end(undefined));
  call.begun(stream);
  async function* responses(): AsyncGenerator<Message, void, undefined> {
    try {
      for await (const bytes of stream.iterator({ destroyOnReturn: false })) yield read(bytes);
    } catch (thrown) {
      // An unreadable response ends the call from here; an error of the call is known already.
      throw call.error ?? thrown;
    } finally {
      call.cancel();
    }
  }
  return { responses: responses(), cancel: () => call.cancel() };
}

/** A server's unreadable response is nothing that the caller did. @throws SallyportError INTERNAL */
function readResponse(schema: DescMessage, bytes: Buffer): Message {
  try {
    return readMessage(schema, bytes);
  } catch (cause) {
    throw new SallyportError('INTERNAL', { message: `the response is no ${schema.typeName}`, cause });
  }
}
