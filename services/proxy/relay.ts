import { randomUUID } from 'node:crypto';
import type { Header, RequestHead } from '#core/channel/multiplex/messages.ts';
import { SallyportError } from '#core/errors/error.ts';
import type { Logger } from '#kernel/log/logger.ts';
import type { AbortScope } from './abort-scope.ts';
import type { Attachment } from './attachment.ts';
import type { Authorizer } from './authorizer.ts';
import type { Backends } from './backends.ts';
import { requestBody, whileLive } from './body.ts';
import { backendSpan, relaySpan } from './relay-trace.ts';
import { assertionHeader, cleanRequest, cleanResponseHeaders } from './request-head.ts';

export interface RelayDeps {
  readonly authorizer: Pick<Authorizer, 'admit'>;
  readonly backends: Pick<Backends, 'request'>;
  readonly log: Logger;
  /** Bytes of a request's body where the policy sets no limit. */
  readonly maxBodyBytes: number;
  readonly newRequestId?: () => string;
}

export interface RelayRequest {
  readonly head: RequestHead;
  readonly body: AsyncIterable<Uint8Array> | Uint8Array;
  /** The caller ends it when it is done with the answer; with it everything stops. */
  readonly scope: AbortScope;
  /** As the edge saw the phone. */
  readonly clientAddress: string | undefined;
  /** A call of its own carries it, so that call's trace is its own. */
  readonly oneCall?: boolean;
}

export interface RelayResponse {
  readonly status: number;
  readonly headers: Header[];
  readonly body: AsyncIterable<Uint8Array>;
}

/**
 * One request on its way to a backend: decided, cleaned, shown with an assertion, streamed. All errors, those
 * of the answer's body too, are SallyportErrors with `requestId` and `maybeExecuted` in their metadata: once
 * the backend was asked, whatever goes wrong may have come after its deed.
 */
export function relay(
  deps: RelayDeps,
  attachment: Attachment,
  request: RelayRequest,
): Promise<RelayResponse> {
  return relaySpan(request, async (span) => {
    const response = await relayTraced(deps, attachment, request);
    span.setAttribute('http.response.status_code', response.status);
    return response;
  });
}

async function relayTraced(
  deps: RelayDeps,
  attachment: Attachment,
  request: RelayRequest,
): Promise<RelayResponse> {
  const { signal } = request.scope;
  const requestId = deps.newRequestId?.() ?? randomUUID();
  let asked = false;
  const explain = (thrown: unknown): SallyportError =>
    explained(signal.aborted ? signal.reason : thrown, { requestId, asked }, deps.log);
  try {
    const clean = cleanRequest(request.head);
    const { clientAddress } = request;
    const { method, authority, path } = clean;
    const facts = { method, authority, path, ...(clientAddress !== undefined && { clientAddress }) };
    const admitted = await deps.authorizer.admit(attachment, facts);
    const limit = admitted.maxBodyBytes ?? deps.maxBodyBytes;
    const body = await requestBody(clean, request.body, { attachment, limit });
    attachment.assertLive();
    signal.throwIfAborted();
    asked = true;
    const answer = await backendSpan(deps.backends, {
      backend: admitted.backend,
      method,
      authority: admitted.authority,
      path,
      headers: {
        ...clean.headers,
        'x-request-id': requestId,
        [assertionHeader]: admitted.assertion,
        ...(clientAddress !== undefined && { 'x-forwarded-for': clientAddress }),
      },
      body,
      signal,
    });
    // The answer belongs to a session that may have ended meanwhile.
    attachment.assertLive();
    return {
      status: answer.status,
      headers: cleanResponseHeaders(answer.headers),
      body: whileLive(answer.body, attachment, explain),
    };
  } catch (thrown) {
    throw explain(thrown);
  }
}

/** The error as the device gets it, and a line by which its request can be found. */
function explained(
  thrown: unknown,
  { requestId, asked }: { requestId: string; asked: boolean },
  log: Logger,
): SallyportError {
  const error = SallyportError.from(thrown);
  const level = error.reason === 'INTERNAL' ? 'error' : error.reason === 'CANCELLED' ? 'debug' : 'info';
  log[level]({ err: error, requestId }, `a request was not relayed: ${error.reason}`);
  return new SallyportError(error.reason, {
    message: error.message,
    hint: error.hint,
    cause: error.cause,
    ...(error.retryAfterMs !== undefined && { retryAfterMs: error.retryAfterMs }),
    metadata: { maybeExecuted: String(asked), ...error.metadata, requestId },
  });
}
