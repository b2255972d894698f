import {
  type Metadata,
  type ServerInterceptingCall,
  type ServerInterceptingCallInterface,
  type ServerInterceptor,
  status,
} from '@grpc/grpc-js';
import { GrpcCall } from './grpc-call.ts';
import type { Route } from './implement.ts';

type Listener = Parameters<ServerInterceptingCallInterface['start']>[0];

/** What serves a unary call once its request is there. Never throws. */
export type ServeUnary = (call: GrpcCall, request: Buffer, grpc: ServerInterceptingCallInterface) => void;

/**
 * Takes unary calls from grpc-js one layer below its handlers, by the interface that it has for interceptors. Its
 * layer for handlers makes a Writable and an EventEmitter for each call, and ends a call only after the response has
 * been written to the connection: a turn of the event loop, and a write to the socket, of its own.
 * @param served by path; may be filled later. Calls of other methods pass.
 */
export function takeUnary(
  served: ReadonlyMap<string, { readonly route: Route; readonly serve: ServeUnary }>,
  newRequestId: () => string,
): ServerInterceptor {
  return ({ path }, grpc) => {
    const taken = served.get(path);
    if (taken !== undefined) grpc.start(new UnaryRequest(grpc, taken.route, taken.serve, newRequestId));
    // grpc-js takes whatever has this interface, and itself begins with one that is not of the class it asks for.
    return (taken === undefined ? grpc : nothingLeft) as ServerInterceptingCall;
  };
}

/** What grpc-js's own layer gets to see of a call that was taken: nothing ever happens on it. */
const nothingLeft: Pick<ServerInterceptingCallInterface, 'start'> = { start: () => undefined };

/** A call until its request is complete, and what cancels it afterwards. */
class UnaryRequest implements Listener {
  readonly #grpc: ServerInterceptingCallInterface;
  readonly #route: Route;
  readonly #serve: ServeUnary;
  readonly #newRequestId: () => string;
  #metadata: Metadata | undefined;
  #request: Buffer | undefined;
  #call: GrpcCall | undefined;

  constructor(
    grpc: ServerInterceptingCallInterface,
    route: Route,
    serve: ServeUnary,
    newRequestId: () => string,
  ) {
    this.#grpc = grpc;
    this.#route = route;
    this.#serve = serve;
    this.#newRequestId = newRequestId;
  }

  onReceiveMetadata(metadata: Metadata): void {
    this.#metadata = metadata;
    this.#grpc.startRead();
  }

  onReceiveMessage(message: Buffer): void {
    if (this.#request !== undefined) {
      this.#refuse('a second request message came for a unary method');
      return;
    }
    this.#request = message;
    this.#grpc.startRead();
  }

  onReceiveHalfClose(): void {
    const [metadata, request] = [this.#metadata, this.#request];
    if (request === undefined || metadata === undefined) {
      this.#refuse('no request message came for a unary method');
      return;
    }
    this.#metadata = this.#request = undefined;
    this.#call = new GrpcCall(this.#grpc, metadata, this.#route, this.#newRequestId);
    if (this.#call.late) this.#grpc.sendStatus(late);
    else this.#serve(this.#call, request, this.#grpc);
  }

  /** Also after a normal end. Node's stream, on which this hangs, outlives its call; the rest need not. */
  onCancel(): void {
    this.#call?.cancelled();
    this.#call = undefined;
  }

  /** With the code that the protocol has for it: https://github.com/grpc/grpc/blob/master/doc/statuscodes.md */
  #refuse(details: string): void {
    this.#grpc.sendStatus({ code: status.UNIMPLEMENTED, details, metadata: null });
  }
}

/** Nobody hears it: Envoy, which keeps the deadline too, has answered. */
const late = { code: status.DEADLINE_EXCEEDED, details: 'the call waited for too long', metadata: null };
