import type { DescMessage, DescMethod, DescService, Message } from '@bufbuild/protobuf';
import type { Encoded } from './encoded.ts';
import type { CallContext, Handlers } from './handlers.ts';

type Init = Message | Record<string, unknown> | Encoded<DescMessage>;

/**
 * Reads a request much faster than the general reader, which checks every rule of a contract: what it gives is what that
 * one would give. Undefined: let the general reader look.
 */
export type QuickRead = (bytes: Uint8Array) => Message | undefined;

/** One RPC ready to be served: its handler with the types erased, since servers handle all alike. */
export type Route = {
  /** `/sallyport.relay.v1.Relay/Attach` */
  readonly path: string;
  readonly method: DescMethod;
  /** False for health and reflection: an overloaded pod must still be able to say how it is. */
  readonly admitted: boolean;
  readonly quickRead: QuickRead | undefined;
} & (
  | { readonly kind: 'unary'; readonly run: (request: Message, call: CallContext) => Promise<Init> | Init }
  | {
      readonly kind: 'server_streaming';
      readonly run: (request: Message, call: CallContext) => AsyncIterable<Init>;
    }
  | {
      readonly kind: 'client_streaming';
      readonly run: (requests: AsyncIterable<Message>, call: CallContext) => Promise<Init>;
    }
  | {
      readonly kind: 'bidi_streaming';
      readonly run: (requests: AsyncIterable<Message>, call: CallContext) => AsyncIterable<Init>;
    }
  | { readonly kind: 'raw_streaming'; readonly run: RawStream }
);

/**
 * A bidirectional stream whose handler reads and writes the messages of its contract itself, for those that carry
 * so many that a decoder for all contracts would cost more than they do. Nobody has checked the requests.
 */
export type RawStream = (requests: AsyncIterable<Uint8Array>, call: CallContext) => AsyncIterable<Uint8Array>;

/** A service with the handlers of some or all of its methods. */
export interface Implementation {
  readonly service: DescService;
  readonly routes: readonly Route[];
}

export interface ImplementOptions {
  /** Serves under another name, with the same messages; for reflection's older name. */
  readonly typeName?: string;
  /** Default true; see `Route.admitted`. */
  readonly admitted?: boolean;
  /** Bidirectional streams by local name, of bytes instead of messages; on grpc-server only. */
  readonly raw?: Readonly<Record<string, RawStream>>;
  /** By the local names of methods. */
  readonly quickRead?: Readonly<Record<string, QuickRead>>;
}

/**
 * Pairs a service with its handlers, for createGrpcServer or createConnectServer. Methods may be left out,
 * since a service can be split over both servers of a process; calls of those get UNKNOWN_METHOD.
 */
export function implement<S extends DescService>(
  service: S,
  handlers: Partial<Handlers<S>>,
  options: ImplementOptions = {},
): Implementation {
  const { typeName = service.typeName, admitted = true } = options;
  const byName = new Map<string, unknown>(Object.entries(handlers));
  const routes = service.methods.flatMap((method): Route[] => {
    const path = `/${typeName}/${method.name}`;
    const raw = options.raw?.[method.localName];
    if (raw !== undefined)
      return [{ path, method, admitted, quickRead: undefined, kind: 'raw_streaming', run: raw }];
    const run = byName.get(method.localName);
    if (typeof run !== 'function') return [];
    // `Handlers` has tied handler and kind together; here, where all are alike, that is put in words again.
    const quickRead = options.quickRead?.[method.localName];
    return [{ path, method, admitted, quickRead, kind: method.methodKind, run: run.bind(handlers) }];
  });
  return { service, routes };
}

/** All routes by path. @throws Error when two implementations claim one method: a mistake of whoever wires them */
export function routesByPath(implementations: readonly Implementation[]): ReadonlyMap<string, Route> {
  const routes = new Map<string, Route>();
  for (const { path, ...rest } of implementations.flatMap((each) => each.routes)) {
    if (routes.has(path)) throw new Error(`${path} is implemented twice`);
    routes.set(path, { path, ...rest });
  }
  return routes;
}
