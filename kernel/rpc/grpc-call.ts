import {
  Metadata,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type ServerWritableStream,
} from '@grpc/grpc-js';
import type { SallyportError } from '#core/errors/error.ts';
import { statusBytes, toWire } from '#kernel/errors/to-wire.ts';
import type { Route } from './implement.ts';
import { cancelled, pastDeadline, ServerCall } from './server-call.ts';

/** What calls of all four kinds have. */
export interface SurfaceCall
  extends Pick<ServerUnaryCall<Buffer, Buffer>, 'metadata' | 'sendMetadata' | 'getDeadline'> {
  on(event: 'cancelled', run: () => void): unknown;
}

/** What grpc-js takes as the end of a failed call. */
export interface GrpcStatus {
  readonly code: number;
  readonly details: string;
  readonly metadata: Metadata;
}

/** A grpc-js call as a ServerCall, with the response metadata that its handler sets. */
export class GrpcCall {
  readonly call: ServerCall;
  readonly #grpc: SurfaceCall;
  #headers: Metadata | undefined;
  #trailers: Metadata | undefined;
  #wake: () => void = () => {};

  constructor(grpc: SurfaceCall, route: Route, newRequestId: () => string) {
    this.#grpc = grpc;
    const deadline = grpc.getDeadline();
    const deadlineMs = deadline instanceof Date ? deadline.getTime() : deadline;
    this.call = new ServerCall({
      method: route.path.slice(1),
      deadlineMs: Number.isFinite(deadlineMs) ? deadlineMs : undefined,
      header: (name) => headerOf(grpc.metadata, name),
      setHeader: (name, value) => {
        this.#headers ??= new Metadata();
        this.#headers.set(name, value);
      },
      setTrailer: (name, value) => {
        this.#trailers ??= new Metadata();
        this.#trailers.set(name, value);
      },
      newRequestId,
    });
    // grpc-js says this when the caller cancels, at the deadline (which it answers itself), when the
    // connection breaks, and after a normal end, when it changes nothing any more.
    grpc.on('cancelled', () => {
      this.call.abort(deadlineMs <= Date.now() ? pastDeadline : cancelled);
      this.#wake();
    });
  }

  /** Sends the headers that were set, once; before the first message. */
  sendHeaders(): void {
    if (!this.#headers) return;
    this.#grpc.sendMetadata(this.#headers);
    this.#headers = undefined;
  }

  get trailers(): Metadata | undefined {
    return this.#trailers;
  }

  /** Resolves when the stream takes messages again, or the call is over. */
  async drained(stream: ServerWritableStream<Buffer, Buffer> | ServerDuplexStream<Buffer, Buffer>) {
    let drained = (): void => {};
    await this.whileOpen((done) => {
      drained = done;
      stream.once('drain', drained);
    });
    stream.off('drain', drained);
  }

  /** Resolves when what `begin` is given has been called, or the call is over; one wait at a time. */
  async whileOpen(begin: (done: () => void) => void): Promise<void> {
    if (this.call.over) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    begin(resolve);
    await promise;
  }

  status(error: SallyportError, pod: string | undefined): GrpcStatus {
    return grpcStatus(
      error,
      { requestId: this.call.requestId, ...(pod && { pod }) },
      this.#trailers?.clone(),
    );
  }
}

/** The status of a failed call, with its google.rpc.Status in the trailer that gRPC has for it. */
export function grpcStatus(
  error: SallyportError,
  place: { requestId?: string; pod?: string },
  metadata = new Metadata(),
): GrpcStatus {
  const wire = toWire(error, place);
  metadata.set('grpc-status-details-bin', Buffer.from(statusBytes(wire)));
  return { code: wire.code, details: wire.message, metadata };
}

function headerOf(metadata: Metadata, name: string): string | undefined {
  const values = metadata.get(name);
  if (values.length === 0) return undefined;
  return values.map((value) => (typeof value === 'string' ? value : value.toString('base64'))).join(', ');
}
