import { readFileSync } from 'node:fs';
import { Readable } from 'node:stream';
import { type Dispatcher, errors, Pool } from 'undici';
import { SallyportError } from '#core/errors/error.ts';
import type { Header } from '#gen/sallyport/gateway/v1/gateway_pb.js';
import type { TargetOf } from '../target-schema.ts';
import { type Answer, brokeOff, type Connector, type TargetCall, unreachable } from './connector.ts';

/** Milliseconds until a connection stands. */
const connectMs = 3000;
/** Of this connection alone (RFC 9110 section 7.6.1). */
const hopByHop = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'host',
]);

/** HTTP/1.1 to one server, with bodies streamed both ways. */
export function httpConnector({ name, url, caFile, limits }: TargetOf<'http'>, pod: string): Connector {
  const { origin, pathname } = new URL(url);
  const prefix = pathname.replace(/\/$/, '');
  const pool = new Pool(origin, {
    connections: limits.calls,
    pipelining: 1,
    connect: { timeout: connectMs, ...(caFile !== undefined && { ca: readFileSync(caFile) }) },
    // The limits of a call are kept by whoever makes it.
    headersTimeout: 0,
    bodyTimeout: 0,
    keepAliveTimeout: 4000,
  });

  async function* call({ start, body, signal, acting }: TargetCall): AsyncGenerator<Answer> {
    if (start.case !== 'http') throw new SallyportError('INTERNAL');
    const { method, path, authority, headers } = start.value;
    // Whether there is a body at all decides how the request begins.
    const pieces = body[Symbol.asyncIterator]();
    const first = await pieces.next();
    acting();
    let response: Dispatcher.ResponseData;
    try {
      response = await pool.request({
        method: method as Dispatcher.HttpMethod,
        path: prefix + path,
        headers: [...fieldsOf(headers, authority), 'via', `1.1 ${pod}`],
        body: first.done ? null : Readable.from(from(first.value, pieces), { objectMode: false }),
        signal,
        // Only callers repeat requests.
        idempotent: false,
      });
    } catch (error) {
      throw failure(name, error, signal);
    }
    yield { case: 'head', value: { status: response.statusCode, headers: headersOf(response.headers) } };
    try {
      for await (const data of response.body) yield { case: 'data', value: data as Uint8Array };
    } catch (error) {
      throw failure(name, error, signal);
    }
    yield { case: 'end', value: {} };
  }
  return { call, close: () => pool.destroy() };
}

async function* from(first: Uint8Array, rest: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield first;
  for (let next = await rest.next(); !next.done; next = await rest.next()) yield next.value;
}

function fieldsOf(headers: readonly Header[], authority: string): string[] {
  const fields = authority === '' ? [] : ['host', authority];
  for (const { name, value } of headers) if (!hopByHop.has(name)) fields.push(name, value);
  return fields;
}

function headersOf(fields: Record<string, string | string[] | undefined>): { name: string; value: string }[] {
  return Object.entries(fields).flatMap(([name, value]) =>
    hopByHop.has(name) ? [] : [value ?? []].flat().map((each) => ({ name, value: each })),
  );
}

/** Of connecting: nothing was sent. */
const unconnected =
  /^(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|ETIMEDOUT|UND_ERR_CONNECT_TIMEOUT|CERT_\w+|DEPTH_ZERO\w+|UNABLE_TO\w+|SELF_SIGNED\w+|ERR_TLS\w+)$/;

function failure(name: string, error: unknown, signal: AbortSignal): SallyportError {
  if (signal.aborted) return SallyportError.from(signal.reason);
  if (error instanceof SallyportError) return error;
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  if (unconnected.test(code)) {
    const away = unreachable(name, error);
    return new SallyportError(away.reason, {
      message: away.message,
      metadata: { maybeExecuted: 'false' },
      cause: error,
      retryAfterMs: 500,
    });
  }
  if (error instanceof errors.InvalidArgumentError) {
    return new SallyportError('REQUEST_INVALID', {
      message: error.message,
      metadata: { maybeExecuted: 'false' },
    });
  }
  return brokeOff(name, error);
}
