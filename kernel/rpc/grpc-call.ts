import type { Writable } from 'node:stream';
import { Metadata, type ServerInterceptingCallInterface } from '@grpc/grpc-js';
import type { SallyportError } from '#core/errors/error.ts';
import { statusBytes, toWire } from '#kernel/errors/to-wire.ts';
import type { Route } from './implement.ts';
import { type CallParts, cancelled, pastDeadline, ServerCall } from './server-call.ts';

/** grpc-js's timer for the deadline runs by another clock, and may be a little ahead of this one. Milliseconds. */
const timerSlackMs = 2;

/** When the call came to the sidecar before this process (envoy/model/headers.ts). */
const cameHeader = 'x-sallyport-came';
/** Milliseconds from which on a wait is not believed: somebody has set a clock. */
const maxWaitedMs = 3_600_000;

/** What calls of all four kinds have. */
export type SurfaceCall = Pick<ServerInterceptingCallInterface, 'sendMetadata' | 'getDeadline'>;

/** What grpc-js takes as the end of a failed call. */
export interface GrpcStatus {
  readonly code: number;
  readonly details: string;
  readonly metadata: Metadata;
}

/** A grpc-js call as a ServerCall, with the response metadata that its handler sets. */
export class GrpcCall implements CallParts {
  readonly call: ServerCall;
  readonly method: string;
  readonly deadlineMs: number | undefined;
  readonly newRequestId: () => string;
  readonly #grpc: SurfaceCall;
  readonly #metadata: Metadata;
  #headers: Metadata | undefined;
  #trailers: Metadata | undefined;
  #wake: () => void = () => {};

  /** @param metadata of the request */
  constructor(grpc: SurfaceCall, metadata: Metadata, route: Route, newRequestId: () => string) {
    this.#grpc = grpc;
    this.#metadata = metadata;
    this.newRequestId = newRequestId;
    const deadline = grpc.getDeadline();
    // It counts from when grpc-js has read the call, which a process that was stopped does late.
    const deadlineMs = (deadline instanceof Date ? deadline.getTime() : deadline) - waitedMs(metadata);
    this.method = route.path.slice(1);
    this.deadlineMs = Number.isFinite(deadlineMs) ? deadlineMs : undefined;
    this.call = new ServerCall(this);
  }

  /** Whoever asked has given up: it waited for longer than that for being read. */
  get late(): boolean {
    return this.deadlineMs !== undefined && this.deadlineMs <= Date.now();
  }

  header(name: string): string | undefined {
    return headerOf(this.#metadata, name);
  }

  setHeader(name: string, value: string): void {
    this.#headers ??= new Metadata();
    this.#headers.set(name, value);
  }

  setTrailer(name: string, value: string): void {
    this.#trailers ??= new Metadata();
    this.#trailers.set(name, value);
  }

  /**
   * grpc-js says this when the caller cancels, at the deadline (which it answers itself), when the connection breaks,
   * and after a normal end, when it changes nothing any more.
   */
  cancelled(): void {
    const left = (this.deadlineMs ?? Number.POSITIVE_INFINITY) - Date.now();
    this.call.abort(left <= timerSlackMs ? pastDeadline : cancelled);
    this.#wake();
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
  async drained(stream: Pick<Writable, 'once' | 'off'>): Promise<void> {
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

function waitedMs(metadata: Metadata): number {
  const [came] = metadata.get(cameHeader);
  const waited = Date.now() - Number(came) * 1000;
  return waited > 0 && waited < maxWaitedMs ? waited : 0;
}

function headerOf(metadata: Metadata, name: string): string | undefined {
  const values = metadata.get(name);
  if (values.length === 0) return undefined;
  return values.map((value) => (typeof value === 'string' ? value : value.toString('base64'))).join(', ');
}
