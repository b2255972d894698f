import { Readable } from 'node:stream';
import { type Dispatcher, errors, Pool } from 'undici';
import { SallyportError } from '#core/errors/error.ts';

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
  /** Gives the request up, its answer's body included. */
  readonly signal: AbortSignal;
}

export interface BackendResponse {
  readonly status: number;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly body: AsyncIterable<Uint8Array>;
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
   * Errors say in their metadata whether the backend may have acted (`maybeExecuted`: true or false).
   * @throws BACKEND_UNAVAILABLE, OVERLOADED (it never saw the request), BACKEND_FAILED, REQUEST_INVALID, or
   *   the signal's reason
   */
  async request(request: BackendRequest): Promise<BackendResponse> {
    const { backend, signal } = request;
    const to = this.#backend(backend);
    if (to.active >= this.#limits.connections) throw overloaded(backend);
    to.active += 1;
    let going = true;
    const done = (): void => {
      if (going) to.active -= 1;
      going = false;
    };
    try {
      const { body, headers, statusCode: status } = await ask(to.pool, request);
      body.once('close', done);
      // Whoever reads is told by the iterator; when nobody reads any more, the cause has been told already.
      body.on('error', done);
      if (headers[unprocessedHeader] !== undefined || headers[localReplyHeader] !== undefined) {
        body.destroy();
        throw headers[unprocessedHeader] === undefined ? failed(backend, 'broke off') : unavailable(backend);
      }
      return { status, headers, body: bodyOf(body, signal, backend) };
    } catch (error) {
      done();
      throw signal.aborted ? signal.reason : failure(error, backend);
    }
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

function ask(pool: Pool, request: BackendRequest): Promise<Dispatcher.ResponseData> {
  const { method, path, headers, authority, body, signal } = request;
  return pool.request({
    // undici takes any token; its type knows only the common ones.
    method: method as Dispatcher.HttpMethod,
    path,
    headers: { ...headers, [authorityHeader]: authority },
    body: body === undefined ? null : body instanceof Uint8Array ? body : readable(body),
    signal,
    // Only Envoy repeats requests.
    idempotent: false,
  });
}

function readable(body: AsyncIterable<Uint8Array>): Readable {
  return Readable.from(body, { objectMode: false, highWaterMark: 65_536 });
}

/** The pieces of an answer's body; what breaks it off is told as BACKEND_FAILED. */
async function* bodyOf(
  body: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
  backend: string,
): AsyncGenerator<Uint8Array> {
  try {
    yield* body;
  } catch (error) {
    throw signal.aborted ? signal.reason : failure(error, backend);
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
