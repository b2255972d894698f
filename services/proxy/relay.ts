import { randomUUID } from 'node:crypto';
import type { RequestHead, ResponseHead } from '#core/channel/multiplex/messages.ts';
import { SallyportError } from '#core/errors/error.ts';
import { idempotentMethods } from '#core/http/idempotent-methods.ts';
import type { RequestFacts } from '#core/policy/facts.ts';
import { askElsewhere } from '#kernel/gateway/ask-elsewhere.ts';
import type { Logger } from '#kernel/log/logger.ts';
import type { Attachment } from './attachment.ts';
import type { Admitted, Authorizer } from './authorizer.ts';
import type { Backends } from './backends.ts';
import { type BodyInPieces, requestBody } from './body.ts';
import { backendSpan, relaySpan } from './relay-trace.ts';
import { assertionHeader, cleanRequest, cleanResponseHeaders } from './request-head.ts';
import type { WorkScope } from './work-scope.ts';

/** Gateways that one request is tried at. */
const mostGateways = 3;

export interface RelayDeps {
  readonly authorizer: Pick<Authorizer, 'admit'>;
  readonly backends: Pick<Backends, 'request'>;
  readonly log: Logger;
  /** Where this proxy stands; undefined where there is one site only. */
  readonly site?: string | undefined;
  /** Bytes of a request's body where the policy sets no limit. */
  readonly maxBodyBytes: number;
  readonly newRequestId?: () => string;
}

export interface RelayRequest {
  readonly head: RequestHead;
  readonly body: BodyInPieces | Uint8Array;
  /** Given up, it stops everything, and its reason is told. */
  readonly scope: WorkScope;
  /** As the edge saw the phone. */
  readonly clientAddress: string | undefined;
  /** A call of its own carries it, so that call's trace is its own. */
  readonly oneCall?: boolean;
}

/** Who takes the answer; what it throws ends the request. */
export interface RelaySink {
  /** Once, before all of the body. */
  head(head: ResponseHead): void;
  /** A piece of the body, in order. Returns a promise while no more should come. */
  data(piece: Uint8Array): Promise<void> | undefined;
}

/**
 * One request on its way to a backend: decided, cleaned, shown with an assertion, streamed. Resolves when the sink
 * has the whole answer, for as long as the attachment has its right. All errors are SallyportErrors with
 * `requestId` and `maybeExecuted` in their metadata: once the backend was asked, whatever goes wrong may have come
 * after its deed.
 */
export function relay(
  deps: RelayDeps,
  attachment: Attachment,
  request: RelayRequest,
  sink: RelaySink,
): Promise<void> {
  return relaySpan(request, (answered) => relayTraced(deps, attachment, request, sink, answered));
}

async function relayTraced(
  deps: RelayDeps,
  attachment: Attachment,
  request: RelayRequest,
  sink: RelaySink,
  answered: (status: number) => void,
): Promise<void> {
  const { scope, clientAddress } = request;
  const requestId = deps.newRequestId?.() ?? randomUUID();
  let asked = false;
  try {
    const clean = cleanRequest(request.head);
    const { method, authority, path, headers } = clean;
    const facts: RequestFacts = {
      ...{ method, authority, path },
      ...(clientAddress !== undefined && { clientAddress }),
      ...(deps.site !== undefined && { site: deps.site }),
    };
    const admitted = await deps.authorizer.admit(attachment, facts);
    const limit = admitted.maxBodyBytes ?? deps.maxBodyBytes;
    const body = await requestBody(clean, request.body, { attachment, limit });
    attachment.assertLive();
    scope.assertGoing();
    asked = true;
    headers['x-request-id'] = requestId;
    if (clientAddress !== undefined) headers['x-forwarded-for'] = clientAddress;
    let begun = false;
    const ask = (to: Admitted): Promise<void> => {
      headers[assertionHeader] = to.assertion;
      const { backend, gateway, authority: host } = to;
      return backendSpan(
        deps.backends,
        { backend, gateway, method, authority: host, path, headers, body, scope },
        {
          head: (status, fields) => {
            // The answer belongs to a session that may have ended meanwhile.
            attachment.assertLive();
            begun = true;
            answered(status);
            sink.head({ status, headers: cleanResponseHeaders(fields) });
          },
          data: (piece) => {
            attachment.assertLive();
            return sink.data(piece);
          },
        },
      );
    };
    const isWhole = body === undefined || body instanceof Uint8Array;
    await askElsewhere(admitted, ask, async (error, { to, tries }) => {
      if (begun || !isWhole || tries >= mostGateways || !mayRepeat(method, error)) return undefined;
      // The session's next one.
      const next = await deps.authorizer.admit(attachment, facts);
      scope.assertGoing();
      // There is no other; whoever asked may try again later.
      return next.gateway === to.gateway ? undefined : next;
    });
    // What came after the last piece, its end, counts too.
    attachment.assertLive();
  } catch (thrown) {
    throw explained(scope.givenUp ? scope.reason : thrown, { requestId, asked }, deps.log);
  }
}

/** A gateway was lost, and nothing was done, or nothing is changed by doing it twice. */
const mayRepeat = (method: string, { metadata }: SallyportError): boolean =>
  metadata.lostGateway !== undefined && (metadata.maybeExecuted === 'false' || idempotentMethods.has(method));

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
