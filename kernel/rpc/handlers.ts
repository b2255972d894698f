import type {
  DescMessage,
  DescMethod,
  DescMethodBiDiStreaming,
  DescMethodClientStreaming,
  DescMethodServerStreaming,
  DescMethodUnary,
  DescService,
  MessageInitShape,
  MessageShape,
} from '@bufbuild/protobuf';
import type { Caller } from './caller.ts';
import type { Encoded } from './encoded.ts';

/** What a handler knows about its call, whichever server (grpc-server, connect-server) took it. */
export interface CallContext {
  /** `sallyport.relay.v1.Relay/Attach` */
  readonly method: string;
  /**
   * Aborted when the caller gives up, the deadline passes, the server closes, or the call has ended. Its
   * reason is a SallyportError (CANCELLED, DEADLINE, UNAVAILABLE). Whatever a handler waits for must heed it.
   */
  readonly signal: AbortSignal;
  /** Wall-clock milliseconds (`Date.now()`), or undefined if the caller set none. Hand it on in outgoing calls. */
  readonly deadlineMs: number | undefined;
  /** By the client certificate that our sidecar has verified. */
  readonly caller: Caller;
  /** The id that the first Envoy gave the request (`x-request-id`), else a new one. */
  readonly requestId: string;
  /** IP address of the phone as the edge that calls saw it; undefined when the caller is no edge. */
  readonly remoteAddress: string | undefined;
  /** A request header (lower-case name); several of the same name are joined by ', '. Binary ones are base64. */
  header(name: string): string | undefined;
  /** A response header; has an effect only before the first response message. */
  setHeader(name: string, value: string): void;
  /** A response trailer. */
  setTrailer(name: string, value: string): void;
}

/** What a handler answers with: fields, or bytes that it kept. */
export type Response<O extends DescMessage> = MessageInitShape<O> | Encoded<O>;

/**
 * One RPC. Requests were decoded and checked against the rules of the contract (protovalidate) already.
 * It throws a SallyportError; anything else becomes INTERNAL. A unary one that need not wait answers without a promise. Streams are pulled: `requests` is read from
 * the wire as the handler asks for it, and the next response is asked for when the last has been taken.
 */
export type Handler<M extends DescMethod> =
  M extends DescMethodUnary<infer I, infer O>
    ? (request: MessageShape<I>, call: CallContext) => Promise<Response<O>> | Response<O>
    : M extends DescMethodServerStreaming<infer I, infer O>
      ? (request: MessageShape<I>, call: CallContext) => AsyncIterable<Response<O>>
      : M extends DescMethodClientStreaming<infer I, infer O>
        ? (requests: AsyncIterable<MessageShape<I>>, call: CallContext) => Promise<Response<O>>
        : M extends DescMethodBiDiStreaming<infer I, infer O>
          ? (requests: AsyncIterable<MessageShape<I>>, call: CallContext) => AsyncIterable<Response<O>>
          : never;

/** The handlers of a service, by the local (camelCase) names of its methods. */
export type Handlers<S extends DescService> = { [K in keyof S['method']]: Handler<S['method'][K]> };
