import { Readable } from 'node:stream';
import { type Dispatcher, errors, Pool } from 'undici';
import { SallyportError } from '#core/errors/error.ts';

/** The host that a backend is to see; the sidecar's egress is addressed by the name of the cluster. */
const authorityHeader = 'x-sallyport-authority';
/** Set by a sidecar on its own answer when the request never reached the backend. */
const unprocessedHeader = 'x-sallyport-unprocessed';

export interface BackendLimits {
  /** Connections to the sidecar per backend: requests under way at once. */
  readonly connections: number;
  /** Milliseconds until the head of an answer. */
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
  readonly signal: AbortSignal;
}

export interface BackendResponse {
  readonly status: number;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly body: AsyncIterable<Uint8Array>;
}

/** HTTP/1.1 to backends through the sidecar, with bodies streamed both ways. */
export class Backends {
  readonly #socketPath: string;
  readonly #limits: BackendLimits;
  readonly #pools = new Map<string, Pool>();

  constructor(socketPath: string, limits: BackendLimits) {
    this.#socketPath = socketPath;
    this.#limits = limits;
  }

  /**
   * @throws BACKEND_UNAVAILABLE (it never saw the request), BACKEND_FAILED (it may have acted on it; the
   *   error's metadata says `maybeExecuted`), or the signal's reason
   */
  async request(request: BackendRequest): Promise<BackendResponse> {
    const { backend, method, path, body, signal } = request;
    let answer: Dispatcher.ResponseData;
    try {
      answer = await this.#pool(backend).request({
        method: method as Dispatcher.HttpMethod,
        path,
        headers: { ...request.headers, [authorityHeader]: request.authority },
        body: body === undefined ? null : body instanceof Uint8Array ? body : readable(body),
        signal,
        // Only Envoy repeats requests.
        idempotent: false,
      });
    } catch (error) {
      throw signal.aborted ? signal.reason : failure(error, backend);
    }
    if (answer.headers[unprocessedHeader] !== undefined) {
      await answer.body.dump();
      throw unavailable(backend);
    }
    return { status: answer.statusCode, headers: answer.headers, body: bodyOf(answer.body, signal, backend) };
  }

  async close(): Promise<void> {
    await Promise.all([...this.#pools.values()].map((pool) => pool.destroy()));
  }

  #pool(backend: string): Pool {
    let pool = this.#pools.get(backend);
    if (pool === undefined) {
      pool = new Pool(`http://${backend}`, {
        socketPath: this.#socketPath,
        connections: this.#limits.connections,
        pipelining: 1,
        headersTimeout: this.#limits.headersTimeoutMs,
        bodyTimeout: this.#limits.bodyTimeoutMs,
        keepAliveTimeout: 30_000,
      });
      this.#pools.set(backend, pool);
    }
    return pool;
  }
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

function failure(error: unknown, backend: string): SallyportError {
  if (error instanceof SallyportError) return error;
  // The sidecar was not there: nothing was sent.
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'ENOENT' || code === 'ECONNREFUSED' || error instanceof errors.ConnectTimeoutError) {
    return unavailable(backend, error);
  }
  const late = error instanceof errors.HeadersTimeoutError || error instanceof errors.BodyTimeoutError;
  return new SallyportError('BACKEND_FAILED', {
    message: `the intranet server "${backend}" ${late ? 'did not answer in time' : 'broke off'}`,
    retryAfterMs: 500,
    metadata: { maybeExecuted: 'true' },
    cause: error,
  });
}

function unavailable(backend: string, cause?: unknown): SallyportError {
  return new SallyportError('BACKEND_UNAVAILABLE', {
    message: `the intranet server "${backend}" cannot be reached`,
    retryAfterMs: 500,
    cause,
  });
}
