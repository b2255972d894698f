import { createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { decodeProtectedHeader } from 'jose';
import { SallyportError } from '#core/errors/error.ts';
import { type AssertionClaims, verifyAssertion } from '#kernel/crypto/assertion.ts';
import type { JwksReader } from './jwks.ts';
import type { Orders } from './orders.ts';

export interface PageContext {
  readonly pod: string;
  readonly keys: JwksReader;
  readonly orders: Orders;
}

const maxBig = 1_073_741_824;
const maxOrderBytes = 16_384;

/** Answers a request of the demo's intranet. Whoever comes without a valid assertion gets 401. */
export async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  context: PageContext,
): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://intranet');
  const claims = await whoAsks(request, context);
  if (claims === undefined) return send(response, 401, 'text/plain', 'no valid assertion\n');
  switch (url.pathname) {
    case '/':
      return send(response, 200, 'text/html', home(claims));
    case '/news':
      return send(response, 200, 'text/html', page('News', '<p>The gate has not closed today.</p>'));
    case '/payroll':
      return send(response, 200, 'text/html', page('Payroll', `<p>For ${escapeHtml(claims.sub)} only.</p>`));
    case '/whoami':
      return send(
        response,
        200,
        'application/json',
        JSON.stringify({ ...claims, host: request.headers.host }),
      );
    case '/headers':
      return send(response, 200, 'application/json', JSON.stringify(shownHeaders(request)));
    case '/echo':
      return echo(request, response);
    case '/orders':
      return order(request, response, { url, user: claims.sub, orders: context.orders });
    case '/big':
      return big(request, response, numberOf(url, 'bytes', 1_000_000, maxBig));
    case '/events':
      return events(request, response, numberOf(url, 'every', 200, 60_000));
    case '/slow':
      await new Promise((resolve) => setTimeout(resolve, numberOf(url, 'ms', 1000, 60_000)));
      return send(response, 200, 'text/plain', 'at last\n');
    default:
      return send(response, 404, 'text/plain', 'no such page\n');
  }
}

async function whoAsks(
  request: IncomingMessage,
  { keys }: PageContext,
): Promise<AssertionClaims | undefined> {
  const token = request.headers['x-sallyport-assertion'];
  if (typeof token !== 'string') return undefined;
  try {
    const { kid } = decodeProtectedHeader(token);
    return await verifyAssertion(token, await keys.keys(kid), Date.now());
  } catch (error) {
    if (error instanceof TypeError || SallyportError.from(error).reason === 'TOKEN_INVALID') return undefined;
    throw error;
  }
}

function send(response: ServerResponse, status: number, type: string, body: string): void {
  response.writeHead(status, { 'content-type': `${type}; charset=utf-8`, 'cache-control': 'no-store' });
  response.end(body);
}

const escapeHtml = (text: string): string => text.replace(/[&<>"]/g, (char) => `&#${char.charCodeAt(0)};`);

const page = (title: string, body: string): string =>
  `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>${title}</title></head>` +
  `<body><h1>${title}</h1>${body}</body></html>\n`;

const home = (claims: AssertionClaims): string =>
  page(
    'Intranet',
    `<p>Hello ${escapeHtml(claims.sub)}. You are in: ${claims.groups.map(escapeHtml).join(', ')}.</p>` +
      '<ul><li><a href="/news">News</a></li><li><a href="/whoami">Who am I</a></li></ul>',
  );

/** Fields of the request as they have come, the assertion's value left out: whoever has it is the user. */
const shownHeaders = ({ rawHeaders }: IncomingMessage): [string, string][] =>
  rawHeaders.flatMap((name, at): [string, string][] => {
    if (at % 2 === 1) return [];
    const isAssertion = name.toLowerCase() === 'x-sallyport-assertion';
    return [[name, isAssertion ? '(not shown)' : (rawHeaders[at + 1] ?? '')]];
  });

/** The body back as it comes. */
async function echo(request: IncomingMessage, response: ServerResponse): Promise<void> {
  response.writeHead(200, {
    'content-type': request.headers['content-type'] ?? 'application/octet-stream',
  });
  for await (const chunk of request) {
    if (!response.write(chunk)) await new Promise((resolve) => response.once('drain', resolve));
  }
  response.end();
}

/**
 * POST places an order and answers with it, to a repetition under its Idempotency-Key as at the first time
 * (draft-ietf-httpapi-idempotency-key-header). GET ?request=ID tells whether that request has placed one.
 */
async function order(
  request: IncomingMessage,
  response: ServerResponse,
  { url, user, orders }: { url: URL; user: string; orders: Orders },
): Promise<void> {
  const json = (status: number, value: object): void =>
    send(response, status, 'application/json', JSON.stringify(value));
  if (request.method === 'GET') {
    const found = orders.ofRequest(user, url.searchParams.get('request') ?? '');
    return json(200, { order: found ?? null });
  }
  if (request.method !== 'POST') return send(response, 405, 'text/plain', 'GET or POST\n');
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of request as AsyncIterable<Buffer>) {
    bytes += piece.length;
    if (bytes > maxOrderBytes) return send(response, 413, 'text/plain', 'an order is 16 KiB at most\n');
    pieces.push(piece);
  }
  const placed = orders.place({
    user,
    key: headerOf(request, 'idempotency-key'),
    request: headerOf(request, 'x-client-request-id'),
    body: Buffer.concat(pieces).toString(),
  });
  if (placed === undefined) return send(response, 507, 'text/plain', 'there is no room for more orders\n');
  json(201, placed.order);
}

function headerOf({ headers }: IncomingMessage, name: string): string | null {
  const value = headers[name];
  return typeof value === 'string' ? value : null;
}

/** Any number of bytes, the same at every time, with a strong validator and ranges (RFC 9110 §14). */
async function big(request: IncomingMessage, response: ServerResponse, bytes: number): Promise<void> {
  const etag = `"${createHash('sha256').update(String(bytes)).digest('hex').slice(0, 16)}"`;
  const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '');
  const valid = request.headers['if-range'] === undefined || request.headers['if-range'] === etag;
  const from = range && valid ? Number(range[1]) : 0;
  const to = range && valid && range[2] ? Math.min(Number(range[2]), bytes - 1) : bytes - 1;
  if (from > to && bytes > 0) {
    response.writeHead(416, { 'content-range': `bytes */${bytes}` });
    response.end();
    return;
  }
  response.writeHead(range && valid ? 206 : 200, {
    'content-type': 'application/octet-stream',
    'content-length': to - from + 1,
    'accept-ranges': 'bytes',
    etag,
    ...(range && valid && { 'content-range': `bytes ${from}-${to}/${bytes}` }),
  });
  if (request.method === 'HEAD') {
    response.end();
    return;
  }
  for (let at = from; at <= to && !response.destroyed; at += 65_536) {
    const piece = Buffer.alloc(Math.min(65_536, to - at + 1));
    for (let i = 0; i < piece.length; i++) piece[i] = ((at + i) * 31) & 255;
    if (!response.write(piece)) await Promise.race([once(response, 'drain'), once(response, 'close')]);
  }
  response.end();
}

const once = (response: ServerResponse, event: string): Promise<void> =>
  new Promise((resolve) => {
    response.once(event, () => resolve());
  });

/** Server-sent events, numbered, from where the client left off. */
async function events(request: IncomingMessage, response: ServerResponse, everyMs: number): Promise<void> {
  let id = Number(request.headers['last-event-id'] ?? 0);
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
  while (!response.destroyed) {
    id += 1;
    response.write(`id: ${id}\ndata: event ${id}\n\n`);
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
}

/** A number of the query, within 0 and `most`. */
function numberOf(url: URL, name: string, fallback: number, most: number): number {
  const given = Number(url.searchParams.get(name) ?? fallback);
  return Number.isFinite(given) ? Math.min(Math.max(0, Math.floor(given)), most) : fallback;
}
