import type {
  DescMethod,
  DescMethodBiDiStreaming,
  DescMethodClientStreaming,
  DescMethodServerStreaming,
  DescMethodUnary,
  DescService,
  MessageInitShape,
  MessageShape,
} from '@bufbuild/protobuf';
import type { ClientTls } from './client-tls.ts';
import type { RpcObserver } from './observer.ts';

export interface GrpcClientOptions {
  /** `unix:/…/out.sock`, or `host:port` with `tls`. */
  readonly address: string;
  /** Milliseconds that a unary or client-streaming call may take at most, whatever the call itself allows. */
  readonly defaultDeadlineMs: number;
  /** Headers of every call, lower-case. */
  readonly metadata?: Readonly<Record<string, string>>;
  readonly tls?: ClientTls;
  readonly observer?: RpcObserver;
  /** Bytes; default 4 MiB. Larger responses fail with TOO_LARGE. */
  readonly maxResponseBytes?: number;
  /** Milliseconds between pings while calls are open; default 10 000. `grpc.keepalive_time_ms` */
  readonly keepaliveMs?: number;
  /** HTTP/2 receive window per stream, in bytes; default 256 KiB. */
  readonly windowBytes?: number;
}

/** A CallContext fits: an outgoing call then ends with the incoming one. */
export interface CallOptions {
  /** Cancels the call. */
  readonly signal?: AbortSignal | undefined;
  /** Wall-clock milliseconds by which the answer must be here; the earlier of this and `timeoutMs` counts. */
  readonly deadlineMs?: number | undefined;
  /** Milliseconds from now; for unary and client-streaming calls in place of `defaultDeadlineMs`. */
  readonly timeoutMs?: number | undefined;
  /** Headers of this call, lower-case; they replace those of the client. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** What comes back on a stream. */
export interface Responses<O> {
  /** To be read once; leaving the loop early cancels the call. Throws the call's error as a SallyportError. */
  readonly responses: AsyncIterable<O>;
  /** Gives the call up; whoever reads gets CANCELLED. */
  cancel(): void;
}

/** What goes out on a stream. */
export interface Requests<I> {
  /**
   * Sends a message; resolves when the next may be sent (at once unless the other side is slower).
   * @throws SallyportError why the call has ended, if it has
   */
  send(message: I): Promise<void>;
}

export type ClientMethod<M extends DescMethod> =
  M extends DescMethodUnary<infer I, infer O>
    ? (request: MessageInitShape<I>, options?: CallOptions) => Promise<MessageShape<O>>
    : M extends DescMethodServerStreaming<infer I, infer O>
      ? (request: MessageInitShape<I>, options?: CallOptions) => Responses<MessageShape<O>>
      : M extends DescMethodClientStreaming<infer I, infer O>
        ? (options?: CallOptions) => Requests<MessageInitShape<I>> & {
            /** No more requests; waits for the response. */
            finish(): Promise<MessageShape<O>>;
            cancel(): void;
          }
        : M extends DescMethodBiDiStreaming<infer I, infer O>
          ? (options?: CallOptions) => Requests<MessageInitShape<I>> &
              Responses<MessageShape<O>> & {
                /** No more requests; responses may still come. */
                end(): void;
              }
          : never;

/** The methods of a service by their local names, and `close`. */
export type GrpcClient<S extends DescService> = {
  readonly [K in keyof S['method']]: ClientMethod<S['method'][K]>;
} & {
  /** Ends the connection once the calls under way have ended. */
  close(): void;
};
