import { randomUUID } from 'node:crypto';
import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2';
import { SallyportError } from '#core/errors/error.ts';
import type { Pipeline } from './pipeline.ts';
import { cancelled, ServerCall } from './server-call.ts';

/** HTTP that is no RPC, at a Connect server: a protocol of others, below a path of its own. */
export interface PlainHttp {
  /** `/scim/v2`: this path and all below it. */
  readonly prefix: string;
  /** Bytes of a request's body at most; larger ones get TOO_LARGE. */
  readonly maxBytes: number;
  answer(request: PlainRequest, call: ServerCall): Promise<PlainAnswer>;
  /** An error as this protocol tells it. */
  refuse(error: SallyportError, call: ServerCall): PlainAnswer;
}

export interface PlainRequest {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  readonly query: URLSearchParams;
  /** As the caller named this server. */
  readonly authority: string;
  readonly body: Buffer;
}

export interface PlainAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Empty: none. */
  readonly body: string;
}

const methods = new Set(['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD']);

/** Takes one request, as the servers' calls are taken: admitted, observed, and cut short when the caller has gone. */
export async function answerPlain(
  plain: PlainHttp,
  { pipeline, newRequestId = randomUUID }: { pipeline: Pipeline; newRequestId?: () => string },
  request: Http2ServerRequest,
  response: Http2ServerResponse,
): Promise<void> {
  const [path = '', query = ''] = request.url.split('?', 2);
  const call = new ServerCall({
    // What is counted by it has few values.
    method: `${plain.prefix.slice(1)}/${methods.has(request.method) ? request.method : 'other'}`,
    deadlineMs: undefined,
    header: (name) => {
      const value = request.headers[name];
      return Array.isArray(value) ? value.join(', ') : value;
    },
    setHeader: (name, value) => void response.setHeader(name, value),
    setTrailer: () => {},
    newRequestId,
  });
  response.once('close', () => call.abort(cancelled));
  const authority = request.authority;
  let answer: PlainAnswer;
  try {
    answer = await pipeline.plain(call, async () => {
      const body = await bodyOf(request, plain.maxBytes);
      const { method } = request;
      return plain.answer({ method, path, query: new URLSearchParams(query), authority, body }, call);
    });
  } catch (thrown) {
    answer = plain.refuse(SallyportError.from(thrown), call);
  }
  // Unread, what the caller still sends would keep the stream open.
  request.resume();
  if (response.stream === undefined || response.stream.destroyed) return;
  const length = Buffer.byteLength(answer.body);
  response.writeHead(answer.status, {
    ...answer.headers,
    'x-request-id': call.requestId,
    ...(length > 0 && { 'content-length': String(length) }),
  });
  response.end(request.method === 'HEAD' ? '' : answer.body);
}

/** @throws TOO_LARGE, CANCELLED */
async function bodyOf(request: Http2ServerRequest, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request) {
    bytes += (chunk as Buffer).length;
    if (bytes > maxBytes) {
      throw new SallyportError('TOO_LARGE', { message: `a request may have ${maxBytes} bytes` });
    }
    chunks.push(chunk as Buffer);
  }
  if (request.aborted) throw new SallyportError('CANCELLED');
  return Buffer.concat(chunks);
}
