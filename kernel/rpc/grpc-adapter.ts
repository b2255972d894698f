import { type DescMessage, type Message, toBinary } from '@bufbuild/protobuf';
import {
  type ServerDuplexStream,
  type ServerReadableStream,
  type ServerWritableStream,
  type sendUnaryData,
  status,
  type UntypedHandleCall,
} from '@grpc/grpc-js';
import { SallyportError } from '#core/errors/error.ts';
import { asBuffer, Encoded } from './encoded.ts';
import { GrpcCall } from './grpc-call.ts';
import { pumpBytes } from './grpc-raw-stream.ts';
import type { ServeUnary } from './grpc-unary.ts';
import type { Route } from './implement.ts';
import type { Made, Pipeline } from './pipeline.ts';
import { readRequest } from './validate.ts';

export interface AdapterOptions {
  readonly pipeline: Pipeline;
  readonly pod: string | undefined;
  readonly maxRequestBytes: number;
  readonly newRequestId: () => string;
}

/** What grpc-js is given to send; see `serialize`. */
type Sent = Buffer | Encoded<DescMessage>;

export type GrpcHandler =
  | { readonly type: 'unary'; readonly serve: ServeUnary }
  | { readonly type: 'serverStream' | 'clientStream' | 'bidi'; readonly func: UntypedHandleCall };

/**
 * A route as a handler for grpc-js. grpc-js is given and gives bytes: it would turn a request that does
 * not decode into INTERNAL, and would decode before anybody has looked whether there is room for the call.
 */
export function adaptToGrpc(route: Route, options: AdapterOptions): GrpcHandler {
  const { pipeline, pod } = options;
  const { input, output } = route.method;
  const bounded = (bytes: Buffer): Buffer => {
    if (bytes.byteLength > options.maxRequestBytes) {
      throw new SallyportError('TOO_LARGE', {
        message: `${bytes.byteLength} bytes; the limit is ${options.maxRequestBytes}`,
      });
    }
    return bytes;
  };
  const read = (bytes: Buffer): Message =>
    route.quickRead?.(bounded(bytes)) ?? readRequest(input, bounded(bytes));
  const write = (response: Made): Buffer => {
    return asBuffer(response instanceof Encoded ? response.bytes : toBinary(output, response, writeOptions));
  };
  const open = (grpc: ServerReadableStream<Buffer, Sent> | ServerWritableStream<Buffer, Sent>): GrpcCall => {
    const call = new GrpcCall(grpc, grpc.metadata, route, options.newRequestId);
    grpc.on('cancelled', () => call.cancelled());
    return call;
  };

  /** Tells how it ended, at once if it has. Never throws. */
  const settle = (
    run: () => Promise<Made> | Made,
    succeed: (response: Made) => void,
    fail: (thrown: unknown) => void,
  ): void => {
    try {
      const response = run();
      if (response instanceof Promise) response.then(succeed).catch(fail);
      else succeed(response);
    } catch (thrown) {
      fail(thrown);
    }
  };

  /** Writes the responses as fast as the caller takes them, then the end. Never rejects. */
  const pump = async (
    call: GrpcCall,
    grpc: ServerWritableStream<Buffer, Sent> | ServerDuplexStream<Buffer, Sent>,
    responses: AsyncIterable<Made>,
  ): Promise<void> => {
    try {
      for await (const response of responses) {
        if (call.call.over) break;
        call.sendHeaders();
        const late = response instanceof Encoded && response.late !== undefined;
        if (!grpc.write(late ? response : write(response))) await call.drained(grpc);
      }
      call.sendHeaders();
      grpc.end(call.trailers);
    } catch (thrown) {
      // grpc-js's way to end a stream with a status; it has no more use for it once the caller has gone.
      if (!grpc.destroyed) grpc.emit('error', call.status(SallyportError.from(thrown), pod));
    }
  };

  switch (route.kind) {
    case 'unary': {
      const serve: ServeUnary = (call, request, grpc) =>
        settle(
          () =>
            pipeline.one(
              route,
              call.call,
              () => read(request),
              (message) => route.run(message, call.call),
            ),
          (response) => {
            const bytes = write(response);
            call.sendHeaders();
            // One after the other, so that they leave together. Should the write fail, grpc-js ends the call itself.
            grpc.sendMessage(bytes, nothing);
            grpc.sendStatus(call.trailers ? { ...succeeded, metadata: call.trailers } : succeeded);
          },
          (thrown) => grpc.sendStatus(call.status(SallyportError.from(thrown), pod)),
        );
      return { serve, type: 'unary' };
    }
    case 'client_streaming': {
      const func = (grpc: ServerReadableStream<Buffer, Buffer>, done: sendUnaryData<Buffer>): void => {
        const call = open(grpc);
        const requests = (): AsyncIterable<Message> => readAll(grpc, call, read);
        settle(
          () => pipeline.one(route, call.call, requests, (all) => route.run(all, call.call)),
          (response) => {
            const bytes = write(response);
            call.sendHeaders();
            done(null, bytes, call.trailers);
          },
          (thrown) => done(call.status(SallyportError.from(thrown), pod)),
        );
      };
      return { func, type: 'clientStream' };
    }
    case 'server_streaming': {
      const func = (grpc: ServerWritableStream<Buffer, Sent>): void => {
        const call = open(grpc);
        const request = (): Message => read(grpc.request);
        void pump(
          call,
          grpc,
          pipeline.many(route, call.call, request, (one) => route.run(one, call.call)),
        );
      };
      return { func, type: 'serverStream' };
    }
    case 'bidi_streaming': {
      const func = (grpc: ServerDuplexStream<Buffer, Sent>): void => {
        const call = open(grpc);
        const requests = (): AsyncIterable<Message> => readAll(grpc, call, read);
        void pump(
          call,
          grpc,
          pipeline.many(route, call.call, requests, (all) => route.run(all, call.call)),
        );
      };
      return { func, type: 'bidi' };
    }
    case 'raw_streaming': {
      const func = (grpc: ServerDuplexStream<Buffer, Buffer>): void => {
        const call = open(grpc);
        const requests = readAll(grpc, call, bounded);
        const responses = pipeline.raw(route, call.call, () => route.run(requests, call.call));
        void pumpBytes(call, grpc, responses, pod);
      };
      return { func, type: 'bidi' };
    }
  }
}

const succeeded = { code: status.OK, details: 'OK', metadata: null };
const nothing = (): void => undefined;
const writeOptions = { writeUnknownFields: false };

/** The requests of a stream, taken from the wire as they are asked for. */
async function* readAll<T>(
  grpc: Pick<ServerReadableStream<Buffer, Sent>, 'iterator'>,
  call: GrpcCall,
  read: (bytes: Buffer) => T,
): AsyncGenerator<T, void, undefined> {
  try {
    // A handler that stops reading must still be able to answer, so the stream is not destroyed with it.
    for await (const bytes of grpc.iterator({ destroyOnReturn: false })) yield read(bytes);
  } catch (thrown) {
    throw call.call.over ? call.call.reason : thrown;
  }
}
