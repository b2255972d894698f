import { fromBinary, type MessageShape } from '@bufbuild/protobuf';
import { type Client, type CallOptions as GrpcCallOptions, Metadata, type ServiceError } from '@grpc/grpc-js';
import { SallyportError } from '#core/errors/error.ts';
import { fromWire } from '#core/errors/from-wire.ts';
import { Status } from '#core/errors/status.ts';
import { StatusSchema } from '#gen/google/rpc/status_pb.js';
import type { CallOptions, GrpcClientOptions } from './grpc-client-types.ts';
import type { RpcObservation, RpcObserver } from './observer.ts';

export interface ClientContext {
  readonly client: Client;
  readonly options: GrpcClientOptions;
  readonly observer: RpcObserver;
}

/** What all four kinds of outgoing calls share: deadline, headers, cancelling, observation, errors. */
export class ClientCall {
  readonly metadata: Metadata;
  readonly grpcOptions: GrpcCallOptions;
  /** The error it ended with; undefined while it goes on and when it ended well. */
  error: SallyportError | undefined;
  over = false;
  readonly #observation: RpcObservation;
  readonly #signal: AbortSignal | undefined;
  #cancel: () => void = () => {};
  #wake: () => void = () => {};
  #room: Promise<void> | undefined;

  /** @param limitMs milliseconds that this kind of call may take when the caller says nothing */
  constructor(method: string, context: ClientContext, options: CallOptions, limitMs: number) {
    const deadline = Math.min(
      Date.now() + (options.timeoutMs ?? limitMs),
      options.deadlineMs ?? Number.POSITIVE_INFINITY,
    );
    this.grpcOptions = { deadline };
    // A sidecar comes back, so calls wait for it; but without a deadline nothing would end that wait. A
    // person who calls a distant server rather hears at once what is wrong with the connection.
    this.metadata = new Metadata({ waitForReady: Number.isFinite(deadline) && !context.options.tls });
    for (const headers of [context.options.metadata, options.headers]) {
      for (const [name, value] of Object.entries(headers ?? {})) this.metadata.set(name, value);
    }
    this.#observation = context.observer.start({
      method,
      side: 'client',
      header: () => undefined,
      setHeader: (name, value) => this.metadata.set(name, value),
    });
    this.#signal = options.signal;
  }

  /** Ties the call to its signal; at once, after it was started. */
  begun(call: { cancel(): void }): void {
    this.#cancel = () => call.cancel();
    if (this.#signal?.aborted) this.#cancel();
    else this.#signal?.addEventListener('abort', this.#cancel, { once: true });
  }

  cancel(): void {
    if (!this.over) this.#cancel();
  }

  /** The call has ended; the first time counts. Gives the error to throw, if any. */
  end(thrown: unknown): SallyportError | undefined {
    if (this.over) return this.error;
    this.over = true;
    this.#signal?.removeEventListener('abort', this.#cancel);
    if (thrown !== undefined && thrown !== null) this.error = this.#convert(thrown);
    this.#observation.end(this.error ? Status[this.error.status] : 0, this.error);
    this.#wake();
    return this.error;
  }

  /** Why nothing more can be sent. */
  get unsendable(): SallyportError {
    return this.error ?? new SallyportError('CANCELLED', { message: 'the call has ended' });
  }

  /** Resolves when the stream takes messages again. @throws SallyportError when the call ends before */
  async room(stream: { once(event: 'drain', run: () => void): unknown }): Promise<void> {
    this.#room ??= new Promise<void>((resolve) => {
      this.#wake = resolve;
      stream.once('drain', resolve);
    }).finally(() => {
      this.#room = undefined;
    });
    await this.#room;
    if (this.over) throw this.unsendable;
  }

  #convert(thrown: unknown): SallyportError {
    const error = isServiceError(thrown) ? fromServiceError(thrown) : SallyportError.from(thrown);
    if (error.reason !== 'CANCELLED' || !this.#signal?.aborted) return error;
    const why: unknown = this.#signal.reason;
    return why instanceof SallyportError ? why : new SallyportError('CANCELLED', { cause: why });
  }
}

function isServiceError(thrown: unknown): thrown is ServiceError {
  return thrown instanceof Error && 'code' in thrown && 'details' in thrown && 'metadata' in thrown;
}

function fromServiceError(cause: ServiceError): SallyportError {
  const [bytes] = cause.metadata.get('grpc-status-details-bin');
  const status = bytes instanceof Uint8Array ? statusIn(bytes) : undefined;
  const details = (status?.details ?? []).map(({ typeUrl, value }) => ({
    type: typeUrl.slice(typeUrl.lastIndexOf('/') + 1),
    value,
  }));
  // Where it is given twice, the one that is not percent-encoded: of what Connect's servers encode, grpc-js decodes
  // what URIs may hold, and leaves `%3A` and the like.
  return fromWire({ code: cause.code, message: status?.message || cause.details, details, cause });
}

function statusIn(bytes: Uint8Array): MessageShape<typeof StatusSchema> | undefined {
  try {
    return fromBinary(StatusSchema, bytes);
  } catch {
    // Code and message, which came beside it, are good without it.
    return undefined;
  }
}
