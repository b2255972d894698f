import { Readable } from 'node:stream';
import { type Dispatcher, errors, Pool } from 'undici';
import { SallyportError } from '#core/errors/error.ts';
import type { WorkScope } from './work-scope.ts';

/** The host that a backend is to see; the sidecar's egress is addressed by the name of the cluster. */
const authorityHeader = 'x-sallyport-authority';
/** Set by a sidecar on its own answer when the request never reached the backend. */
const unprocessedHeader = 'x-sallyport-unprocessed';
/** Set by a sidecar on any other answer of its own: the backend may have had the request. */
const localReplyHeader = 'x-sallyport-local-reply';

export interface BackendLimits {
  /** Requests under way to one backend, each on a connection to the sidecar; more are refused. */
  readonly connections: number;
  /** Milliseconds until the head of an answer, from when the request has been sent. */
  readonly headersTimeoutMs: number;
  /** Milliseconds without a byte of its body. */
  readonly bodyTimeoutMs: number;
}

export interface BackendRequest {
  /** Name of the cluster. */
  readonly backend: string;
  readonly method: string;
  readonly authority: string;
  readonly path: string;
  readonly headers: Record<string, string | string[]>;
  readonly body: AsyncIterable<Uint8Array> | Uint8Array | undefined;
  /** The gateway through which it is reached; undefined: the sidecar reaches it. */
  readonly gateway?: string | undefined;
  /** Gives the request up, its answer's body included. */
  readonly scope: WorkScope;
}

/** Who takes an answer. What it throws gives the request up. */
export interface AnswerSink {
  /** Once, before all of the body. */
  head(status: number, headers: Record<string, string | string[] | undefined>): void;
  /** A piece of the body. Returns a promise while no more should come; a little may all the same. */
  data(piece: Uint8Array): Promise<void> | undefined;
}

interface Backend {
  readonly pool: Pool;
  active: number;
}

/** HTTP/1.1 to backends through the sidecar, with bodies streamed both ways. */
export class Backends {
  readonly #socketPath: string;
  readonly #limits: BackendLimits;
  readonly #backends = new Map<string, Backend>();

  constructor(socketPath: string, limits: BackendLimits) {
    this.#socketPath = socketPath;
    this.#limits = limits;
  }

  /** Requests under way, bodies of answers included. */
  get active(): number {
    return [...this.#backends.values()].reduce((sum, each) => sum + each.active, 0);
  }

  /**
   * Resolves when the sink has the whole answer. Errors say in their metadata whether the backend may have acted
   * (`maybeExecuted`: true or false).
   * @throws BACKEND_UNAVAILABLE, OVERLOADED (it never saw the request), BACKEND_FAILED, REQUEST_INVALID, what the
   *   sink throws, or the scope's reason
   */
  request(request: BackendRequest, sink: AnswerSink): Promise<void> {
    const { backend, scope } = request;
    if (scope.givenUp) return Promise.reject(scope.reason);
    const to = this.#backend(backend);
    if (to.active >= this.#limits.connections) return Promise.reject(overloaded(backend));
    to.active += 1;
    const asking = new Asking(request, sink, () => {
      to.active -= 1;
    });
    to.pool.dispatch(requestOptions(request), asking);
    return asking.answered;
  }

  async close(): Promise<void> {
    await Promise.all([...this.#backends.values()].map(({ pool }) => pool.destroy()));
  }

  #backend(name: string): Backend {
    let backend = this.#backends.get(name);
    if (backend === undefined) {
      const pool = new Pool(`http://${name}`, {
        socketPath: this.#socketPath,
        connections: this.#limits.connections,
        pipelining: 1,
        connect: { timeout: 2000 },
        headersTimeout: this.#limits.headersTimeoutMs,
        bodyTimeout: this.#limits.bodyTimeoutMs,
        keepAliveTimeout: 30_000,
      });
      backend = { pool, active: 0 };
      this.#backends.set(name, backend);
    }
    return backend;
  }
}

function requestOptions(request: BackendRequest): Dispatcher.DispatchOptions {
  const { method, path, headers, authority, body } = request;
  const fields: (string | string[])[] = [authorityHeader, authority];
  for (const name in headers) fields.push(name, headers[name] ?? '');
  return {
    // undici takes any token; its type knows only the common ones.
    method: method as Dispatcher.HttpMethod,
    path,
    headers: fields as string[],
    body: body === undefined ? null : body instanceof Uint8Array ? body : readable(body),
    // Only Envoy repeats requests.
    idempotent: false,
  };
}

function readable(body: AsyncIterable<Uint8Array>): Readable {
  return Readable.from(body, { objectMode: false, highWaterMark: 65_536 });
}

/** One request at undici, whose callbacks it takes: a promise and a stream for each cost more than the rest. */
class Asking implements Dispatcher.DispatchHandler {
  readonly answered: Promise<void>;
  readonly #settle: { resolve: () => void; reject: (error: unknown) => void };
  readonly #request: BackendRequest;
  readonly #sink: AnswerSink;
  readonly #done: () => void;
  readonly #forget: () => void;
  #controller: Dispatcher.DispatchController | undefined;
  /** Of the sink, for the pieces that it has. */
  #taking: Promise<void> | undefined;

  /** `done` is called when undici has done with the request. */
  constructor(request: BackendRequest, sink: AnswerSink, done: () => void) {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.answered = promise;
    this.#settle = { resolve, reject };
    this.#request = request;
    this.#sink = sink;
    this.#done = done;
    const { scope } = request;
    this.#forget = scope.onGivenUp(() => this.#fail(scope.reason));
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    const { scope } = this.#request;
    this.#controller = controller;
    if (scope.givenUp) controller.abort(SallyportError.from(scope.reason));
  }

  onResponseStart(
    _: Dispatcher.DispatchController,
    status: number,
    headers: Record<string, string | string[] | undefined>,
  ): void {
    // Informational; the answer comes behind it.
    if (status < 200) return;
    const { backend } = this.#request;
    if (headers[unprocessedHeader] !== undefined) this.#fail(unavailable(backend));
    else if (headers[localReplyHeader] !== undefined) this.#fail(failed(backend, 'broke off'));
    else this.#give(() => this.#sink.head(status, headers));
  }

  onResponseData(controller: Dispatcher.DispatchController, piece: Uint8Array): void {
    // A parser that goes on with nothing to read gives an empty piece.
    if (controller.aborted || piece.length === 0) return;
    this.#give(() => {
      const taking = this.#sink.data(piece);
      if (taking === undefined) return;
      controller.pause();
      this.#taking = taking;
      taking.then(
        () => this.#taking === taking && controller.resume(),
        (error: unknown) => this.#fail(error),
      );
    });
  }

  onResponseEnd(): void {
    this.#done();
    if (this.#taking === undefined) this.#settle.resolve();
    else this.#taking.then(this.#settle.resolve, this.#settle.reject);
    this.#forget();
  }

  onResponseError(_: unknown, error: Error): void {
    this.#done();
    this.#fail(error);
  }

  #give(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#fail(error);
    }
  }

  /** The first failure counts. */
  #fail(error: unknown): void {
    this.#forget();
    const { scope, backend } = this.#request;
    this.#settle.reject(scope.givenUp ? scope.reason : failure(error, backend));
    this.#controller?.abort(SallyportError.from(error));
  }
}

/** Of connecting: nothing was sent. The sidecar is away, or has a full queue of connections (EAGAIN). */
const unconnected: ReadonlySet<unknown> = new Set(['ENOENT', 'ECONNREFUSED', 'EAGAIN', 'EMFILE']);

function failure(error: unknown, backend: string): SallyportError {
  if (error instanceof SallyportError) return error;
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (unconnected.has(code) || error instanceof errors.ConnectTimeoutError) {
    return unavailable(backend, error);
  }
  if (error instanceof errors.RequestContentLengthMismatchError) {
    return invalid('the body has not the length that content-length says', error, true);
  }
  if (error instanceof errors.InvalidArgumentError) return invalid('this is no HTTP request', error, false);
  const late = error instanceof errors.HeadersTimeoutError || error instanceof errors.BodyTimeoutError;
  return failed(backend, late ? 'did not answer in time' : 'broke off', error);
}

function failed(backend: string, how: string, cause?: unknown): SallyportError {
  return new SallyportError('BACKEND_FAILED', {
    message: `the intranet server "${backend}" ${how}`,
    retryAfterMs: 500,
    metadata: { maybeExecuted: 'true' },
    cause,
  });
}

function unavailable(backend: string, cause?: unknown): SallyportError {
  return new SallyportError('BACKEND_UNAVAILABLE', {
    message: `the intranet server "${backend}" cannot be reached`,
    retryAfterMs: 500,
    metadata: { maybeExecuted: 'false' },
    cause,
  });
}

function overloaded(backend: string): SallyportError {
  return new SallyportError('OVERLOADED', {
    message: `as many requests to "${backend}" are under way here as may be`,
    retryAfterMs: 500,
    metadata: { maybeExecuted: 'false' },
  });
}

function invalid(message: string, cause: unknown, sent: boolean): SallyportError {
  return new SallyportError('REQUEST_INVALID', {
    message,
    metadata: { maybeExecuted: String(sent) },
    cause,
  });
}
