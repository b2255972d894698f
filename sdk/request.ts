import type { RequestHead } from '../core/channel/multiplex/messages.ts';
import { SallyportError } from '../core/errors/error.ts';
import { idempotentMethods } from '../core/http/idempotent-methods.ts';
import { type IdRandom, newRequestId } from '../core/ids/ids.ts';
import { type BodyInit, BodySource } from './body-source.ts';
import { traceHeader } from './trace.ts';

/** As `RequestInit` of the Fetch standard, as far as it makes sense here. */
export interface FetchInit {
  /** Default GET. */
  readonly method?: string;
  readonly headers?: Headers | Readonly<Record<string, string>> | readonly (readonly [string, string])[];
  readonly body?: BodyInit;
  /** Gives the request up, and its body too. */
  readonly signal?: AbortSignal;
  /**
   * Sent as `Idempotency-Key`: a promise that the backend takes a repetition for what it is. With it
   * any method is repeated.
   */
  readonly idempotencyKey?: string;
  /** Milliseconds until the head of the answer, over all repetitions; default 30,000. */
  readonly timeoutMs?: number;
  /** The most that `bytes`, `text` and `json` take; default 64 MiB. */
  readonly maxBytes?: number;
}

/** A request, ready to be sent as often as needed. */
export interface PreparedRequest {
  /** Sent as `x-client-request-id`, the same through all repetitions. */
  readonly id: string;
  readonly url: string;
  readonly head: RequestHead;
  readonly body: BodySource;
  /** Of its span, if the app traces. It stands in the head too, where the proxy reads it. */
  readonly traceparent?: string;
  /** Doing it twice does no more than doing it once. */
  readonly idempotent: boolean;
}

/** Methods whose requests say how long their body is even when there is none (RFC 9110 section 8.6). */
const bodyExpected: ReadonlySet<string> = new Set(['POST', 'PUT', 'PATCH']);

export const requestIdHeader = 'x-client-request-id';

/** @throws REQUEST_INVALID; `base` is what relative URLs are resolved against. */
export function prepareRequest(
  random: IdRandom,
  input: string | URL,
  init: FetchInit,
  base: string | undefined,
): PreparedRequest {
  const url = parseUrl(input, base);
  const method = (init.method ?? 'GET').toUpperCase();
  const body = new BodySource(init.body);
  const headers = headersOf(init.headers);
  const id = newRequestId(random);
  headers.set(requestIdHeader, id);
  if (init.idempotencyKey !== undefined) headers.set('idempotency-key', init.idempotencyKey);
  const { length } = body;
  if (length !== undefined && (length > 0 || bodyExpected.has(method))) {
    headers.set('content-length', String(length));
  }
  return {
    id,
    url: url.href,
    head: {
      method,
      authority: url.host,
      path: `${url.pathname}${url.search}`,
      headers: [...headers].map(([name, value]) => ({ name, value })),
    },
    body,
    idempotent: idempotentMethods.has(method) || headers.has('idempotency-key'),
  };
}

function parseUrl(input: string | URL, base: string | undefined): URL {
  const url = URL.parse(String(input), base);
  if (url?.protocol === 'https:' || url?.protocol === 'http:') return url;
  throw new SallyportError('REQUEST_INVALID', {
    message: 'this is not the URL of an intranet page',
    hint: 'give an http(s) URL, or a path and an `origin` when opening the session',
  });
}

function headersOf(given: FetchInit['headers']): Headers {
  try {
    if (given === undefined || given instanceof Headers) return new Headers(given);
    const fields = isPairs(given) ? given : Object.entries(given);
    return new Headers(fields.map(([name, value]) => [name, value]));
  } catch (cause) {
    throw new SallyportError('REQUEST_INVALID', { message: 'a header is not valid', cause });
  }
}

/** `Array.isArray` does not see readonly arrays. */
function isPairs(given: object): given is readonly (readonly [string, string])[] {
  return Array.isArray(given);
}

/** The request as a part of a trace. */
export function inTrace(request: PreparedRequest, traceparent: string | undefined): PreparedRequest {
  if (traceparent === undefined) return request;
  const headers = request.head.headers.filter(({ name }) => name !== traceHeader);
  return {
    ...request,
    traceparent,
    head: { ...request.head, headers: [...headers, { name: traceHeader, value: traceparent }] },
  };
}
