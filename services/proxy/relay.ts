import { randomUUID } from 'node:crypto';
import type { Header, RequestHead } from '#core/channel/multiplex/messages.ts';
import { SallyportError } from '#core/errors/error.ts';
import type { Logger } from '#kernel/log/logger.ts';
import type { Attachment } from './attachment.ts';
import type { Authorizer } from './authorizer.ts';
import type { Backends } from './backends.ts';
import { assertionHeader, cleanRequest, cleanResponseHeaders } from './request-head.ts';

export interface RelayDeps {
  readonly authorizer: Pick<Authorizer, 'admit'>;
  readonly backends: Pick<Backends, 'request'>;
  readonly log: Logger;
  /** Bytes of a request's body where the policy sets no limit. */
  readonly maxBodyBytes: number;
}

export interface RelayRequest {
  readonly head: RequestHead;
  readonly body: AsyncIterable<Uint8Array> | Uint8Array;
  readonly signal: AbortSignal;
  /** As the edge saw the phone. */
  readonly clientAddress: string | undefined;
}

export interface RelayResponse {
  readonly status: number;
  readonly headers: Header[];
  readonly body: AsyncIterable<Uint8Array>;
}

/** Methods whose requests have no body unless a length or an encoding says so. */
const bodiless = new Set(['GET', 'HEAD', 'DELETE', 'OPTIONS']);

/**
 * One request on its way to a backend: decided, cleaned, shown with an assertion, streamed. All errors are
 * SallyportErrors with the request's id in their metadata.
 */
export async function relay(
  deps: RelayDeps,
  attachment: Attachment,
  request: RelayRequest,
): Promise<RelayResponse> {
  const requestId = randomUUID();
  const signal = AbortSignal.any([request.signal, attachment.ended]);
  try {
    const { method, authority, path, headers } = cleanRequest(request.head);
    const { clientAddress } = request;
    const admitted = await deps.authorizer.admit(attachment, { method, authority, path, clientAddress });
    const { resource, assertion } = admitted;
    const limit = resource.maxBodyBytes ?? deps.maxBodyBytes;
    const announced = Number(headers['content-length'] ?? 0);
    if (announced > limit) throw tooLarge(limit);
    const answer = await deps.backends.request({
      backend: resource.backend,
      method,
      // By name of the resource, a backend sees its first host.
      authority: authority === resource.name ? (resource.hosts[0] ?? authority) : authority,
      path,
      headers: {
        ...headers,
        'x-request-id': requestId,
        [assertionHeader]: assertion,
        ...(clientAddress !== undefined && { 'x-forwarded-for': clientAddress }),
      },
      body: bodyFor(method, headers, request.body, limit),
      signal,
    });
    // The answer belongs to a session that may have ended meanwhile.
    attachment.assertLive();
    return {
      status: answer.status,
      headers: cleanResponseHeaders(answer.headers),
      body: whileLive(answer.body, attachment),
    };
  } catch (thrown) {
    throw withRequestId(signal.aborted ? signal.reason : thrown, requestId, deps.log);
  }
}

function bodyFor(
  method: string,
  headers: Record<string, string | string[]>,
  body: RelayRequest['body'],
  limit: number,
): RelayRequest['body'] | undefined {
  if (body instanceof Uint8Array) {
    if (body.length > limit) throw tooLarge(limit);
    return body.length === 0 && bodiless.has(method) ? undefined : body;
  }
  // A stream's body is there when the device announces one; others are ended without a byte.
  if (bodiless.has(method) && headers['content-length'] === undefined) return undefined;
  return bounded(body, limit);
}

async function* bounded(body: AsyncIterable<Uint8Array>, limit: number): AsyncGenerator<Uint8Array> {
  let length = 0;
  for await (const chunk of body) {
    length += chunk.length;
    if (length > limit) throw tooLarge(limit);
    yield chunk;
  }
}

async function* whileLive(
  body: AsyncIterable<Uint8Array>,
  attachment: Attachment,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of body) {
    attachment.assertLive();
    yield chunk;
  }
}

function tooLarge(limit: number): SallyportError {
  return new SallyportError('TOO_LARGE', {
    message: `the body is longer than the ${limit} bytes that this resource takes`,
    hint: 'send less',
  });
}

function withRequestId(thrown: unknown, requestId: string, log: Logger): SallyportError {
  const error = SallyportError.from(thrown);
  if (error.reason === 'INTERNAL') log.error({ err: error, requestId }, 'a request failed');
  return new SallyportError(error.reason, {
    message: error.message,
    hint: error.hint,
    cause: error.cause,
    ...(error.retryAfterMs !== undefined && { retryAfterMs: error.retryAfterMs }),
    metadata: { ...error.metadata, requestId },
  });
}
