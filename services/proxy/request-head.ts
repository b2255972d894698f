import type { Header, RequestHead } from '#core/channel/multiplex/messages.ts';
import { SallyportError } from '#core/errors/error.ts';
import { normalizePath } from '#core/policy/path.ts';

/** The identity assertion that backends are shown. */
export const assertionHeader = 'x-sallyport-assertion';

/** Of one connection, so never relayed (RFC 9110 §7.6.1); and what is not the phone's to say. */
const dropped = new Set([
  'connection',
  'proxy-connection',
  'keep-alive',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'proxy-authenticate',
  'proxy-authorization',
  'host',
  'expect',
  'forwarded',
  'via',
  'x-real-ip',
  'x-client-ip',
  'x-cluster-client-ip',
  'true-client-ip',
  'x-request-id',
  // Frameworks take another path or method from these than the policy has seen.
  'x-original-url',
  'x-original-uri',
  'x-original-host',
  'x-rewrite-url',
  'x-http-method',
  'x-http-method-override',
  'x-method-override',
]);
/** Written by this side of the gate only. */
const innerPrefixes = ['x-sallyport-', 'x-forwarded-', 'x-envoy-'];

/** token of RFC 9110 §5.6.2, in lower case. */
const fieldName = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/;
/** Visible characters, blanks and obs-text; no CR, LF or NUL (RFC 9110 §5.5). */
const fieldValue = /^[\t\x20-\x7e\x80-\xff]*$/;
const methodName = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
/** As many as the contract allows in an Exchange. */
const maxFields = 128;
/** Characters of all names and values; Envoy's own limit for a request is 60 KiB. */
const maxHeaderBytes = 49_152;
const maxMethod = 32;
/** Methods that are for the proxy itself or open a tunnel. */
const refusedMethods = new Set(['CONNECT', 'TRACE']);

export interface CleanRequest {
  readonly method: string;
  readonly authority: string;
  /** In its one spelling. */
  readonly path: string;
  readonly headers: Record<string, string | string[]>;
}

/**
 * The request as a backend may see it: one spelling of the path, valid fields only, nothing that only this
 * side may say.
 * @throws REQUEST_INVALID
 */
export function cleanRequest(head: RequestHead): CleanRequest {
  if (head.method.length > maxMethod || !methodName.test(head.method) || refusedMethods.has(head.method)) {
    throw invalid(`the method "${head.method.slice(0, 32)}" is not relayed`);
  }
  return {
    method: head.method,
    authority: head.authority,
    path: normalizePath(head.path),
    headers: cleanHeaders(head.headers),
  };
}

function cleanHeaders(headers: readonly Header[]): Record<string, string | string[]> {
  checkSizes(headers);
  const named = connectionNames(headers);
  const clean: Record<string, string | string[]> = Object.create(null);
  for (const { name, value } of headers) {
    if (!fieldName.test(name)) throw invalid('a header name is not a lower-case token');
    if (!fieldValue.test(value)) throw invalid(`the value of ${name} holds a character that HTTP forbids`);
    if (isForbidden(name) || named.has(name)) continue;
    const before = clean[name];
    // Two lengths, or a list of them, are how requests are smuggled.
    if (name === 'content-length' && (before !== undefined || !/^\d{1,15}$/.test(value))) {
      throw invalid('content-length is not one number');
    }
    clean[name] = before === undefined ? value : [before, value].flat();
  }
  return clean;
}

/** On a stream nobody has looked at these before. */
function checkSizes(headers: readonly Header[]): void {
  if (headers.length > maxFields) throw invalid(`more than ${maxFields} header fields`);
  const size = headers.reduce((sum, { name, value }) => sum + name.length + value.length, 0);
  if (size > maxHeaderBytes) throw invalid(`header fields of more than ${maxHeaderBytes} bytes`);
}

/** Fields that `connection` names belong to the connection too. */
function connectionNames(headers: readonly Header[]): Set<string> {
  return new Set(
    headers
      .filter(({ name }) => name === 'connection')
      .flatMap(({ value }) => value.split(',').map((name) => name.trim().toLowerCase())),
  );
}

/** The fields of a backend's answer that a device may see. */
export function cleanResponseHeaders(headers: Record<string, string | string[] | undefined>): Header[] {
  const clean: Header[] = [];
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined || (isForbidden(name) && name !== 'via')) continue;
    if (typeof value === 'string') clean.push({ name, value });
    else for (const each of value) clean.push({ name, value: each });
  }
  return clean;
}

/** Names that were judged before: the same few dozen come with every request. */
const judged = new Map<string, boolean>();

function isForbidden(name: string): boolean {
  let forbidden = judged.get(name);
  if (forbidden === undefined) {
    forbidden = judge(name);
    // Names come from strangers, too.
    if (judged.size >= 1000) judged.clear();
    if (name.length <= 64) judged.set(name, forbidden);
  }
  return forbidden;
}

/** CGI and its heirs see `-` and `_` as the same, so a name is judged by the first of these. */
function judge(name: string): boolean {
  const canonical = name.replaceAll('_', '-');
  // The length itself is checked; under its other name nobody has looked at it.
  if (canonical === 'content-length' && name !== canonical) return true;
  return dropped.has(canonical) || innerPrefixes.some((prefix) => canonical.startsWith(prefix));
}

function invalid(message: string): SallyportError {
  return new SallyportError('REQUEST_INVALID', { message });
}
