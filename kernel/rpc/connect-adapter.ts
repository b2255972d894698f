import {
  type DescMethodBiDiStreaming,
  type DescMethodClientStreaming,
  type DescMethodServerStreaming,
  type DescMethodUnary,
  fromBinary,
  type Message,
} from '@bufbuild/protobuf';
import { ConnectError, type ConnectRouter, type HandlerContext } from '@connectrpc/connect';
import { connectCall, toConnectError } from './connect-call.ts';
import { fromConnectRefusal } from './connect-refusal.ts';
import { Encoded } from './encoded.ts';
import type { Route } from './implement.ts';
import type { Made, Pipeline } from './pipeline.ts';
import type { ServerCall } from './server-call.ts';
import { checkRequest } from './validate.ts';

export interface ConnectAdapterOptions {
  readonly pipeline: Pipeline;
  readonly pod: string | undefined;
  readonly newRequestId: () => string;
}

/** Registers a route at a Connect router, which reads and writes the messages itself (binary and JSON). */
export function adaptToConnect(router: ConnectRouter, route: Route, options: ConnectAdapterOptions): void {
  const { pipeline, pod, newRequestId } = options;
  const { input } = route.method;
  const convert = (thrown: unknown, call: ServerCall) =>
    toConnectError(thrown, { requestId: call.requestId, ...(pod && { pod }) });
  const one = async (context: HandlerContext, run: (call: ServerCall) => Promise<Made> | Made) => {
    const call = connectCall(context, route, newRequestId);
    try {
      return messageOf(await run(call));
    } catch (thrown) {
      throw convert(thrown, call);
    }
  };
  const many = async function* (context: HandlerContext, run: (call: ServerCall) => AsyncIterable<Made>) {
    const call = connectCall(context, route, newRequestId);
    try {
      for await (const response of run(call)) yield messageOf(response);
    } catch (thrown) {
      throw convert(thrown, call);
    }
  };
  switch (route.kind) {
    case 'unary':
      router.rpc(route.method as DescMethodUnary, (message, context) =>
        one(context, (call) =>
          pipeline.one(
            route,
            call,
            () => checkRequest(input, message),
            (request) => route.run(request, call),
          ),
        ),
      );
      break;
    case 'client_streaming':
      router.rpc(route.method as DescMethodClientStreaming, (messages, context) =>
        one(context, (call) =>
          pipeline.one(
            route,
            call,
            () => checkAll(messages, route, call),
            (requests) => route.run(requests, call),
          ),
        ),
      );
      break;
    case 'server_streaming':
      router.rpc(route.method as DescMethodServerStreaming, (message, context) =>
        many(context, (call) =>
          pipeline.many(
            route,
            call,
            () => checkRequest(input, message),
            (request) => route.run(request, call),
          ),
        ),
      );
      break;
    case 'bidi_streaming':
      router.rpc(route.method as DescMethodBiDiStreaming, (messages, context) =>
        many(context, (call) =>
          pipeline.many(
            route,
            call,
            () => checkAll(messages, route, call),
            (requests) => route.run(requests, call),
          ),
        ),
      );
      break;
    case 'raw_streaming':
      throw new Error(`${route.path} is a stream of bytes, which only grpc-server serves`);
  }
}

/** Connect writes it itself, maybe as JSON. */
function messageOf(made: Made): Message {
  return made instanceof Encoded ? fromBinary(made.schema, made.bytes) : made;
}

async function* checkAll(messages: AsyncIterable<Message>, route: Route, call: ServerCall) {
  try {
    for await (const message of messages) yield checkRequest(route.method.input, message);
  } catch (thrown) {
    if (call.over) throw call.reason;
    throw thrown instanceof ConnectError ? fromConnectRefusal(thrown) : thrown;
  }
}
