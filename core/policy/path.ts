import { SallyportError } from '#core/errors/error.ts';

/** Longest path with its query, in characters. */
export const maxPathLength = 8192;

function refuse(problem: string): never {
  throw new SallyportError('REQUEST_INVALID', {
    message: `the path ${problem}`,
    hint: 'send the plain path: no dot segments, no empty segments, no encoded slash, dot or backslash',
  });
}

const forbiddenInPath = /[^!-~]|[\\"<>`{}#]/;
const forbiddenInQuery = /[^!-~]|#/;
const emptyOrDotSegment = /\/\/|\/\.{1,2}(?:\/|$)/;
const badEscape = /%(?![0-9A-Fa-f]{2})/;
/** Encoded dot, slash, backslash and control characters: one server decodes them, the next does not. */
const hidingEscape = /%(?:2[eEfF]|5[cC]|[01][0-9A-Fa-f]|7[fF])/;
/** A percent sign that is encoded before two digits decodes twice on some servers. */
const doubleEscape = /%25[0-9A-Fa-f]{2}/;
/** UTF-8 that is longer than it need be (RFC 3629 §3), by which ASCII characters have been smuggled. */
const overlongEscape = /%[cC][01]%[89abAB]|%[eE]0%[89]|%[fF]0%8/;
const unreserved = /[A-Za-z0-9\-._~]/;

/**
 * The one spelling of a path (RFC 3986 §6.2.2): escapes of unreserved characters are decoded, the others
 * in upper case; the query stays as it is. What backends are known to read in more than one way is
 * refused, so that a backend cannot understand another path than the policy did.
 * Throws REQUEST_INVALID.
 */
export function normalizePath(path: string): string {
  if (path.length > maxPathLength) refuse(`is longer than ${maxPathLength} characters`);
  if (path.charCodeAt(0) !== 47) refuse('does not begin with /');
  const question = path.indexOf('?');
  const bare = question < 0 ? path : path.slice(0, question);
  const query = question < 0 ? '' : path.slice(question);
  if (forbiddenInPath.test(bare) || forbiddenInQuery.test(query))
    refuse('holds a character that must be encoded');
  if (emptyOrDotSegment.test(bare)) refuse('has an empty segment or a dot segment');
  const normal = bare.includes('%') ? normalizeEscapes(bare) : bare;
  if (normal !== bare || normal.includes(';') || normal.includes('%')) {
    if (emptyOrDotSegment.test(pathKey(normal))) refuse('hides an empty segment or a dot segment');
  }
  return normal === bare ? path : normal + query;
}

function normalizeEscapes(path: string): string {
  if (badEscape.test(path)) refuse('holds a % that begins no escape');
  if (hidingEscape.test(path)) refuse('holds an encoded dot, slash, backslash or control character');
  if (overlongEscape.test(path)) refuse('holds overlong UTF-8');
  const normal = path.replace(/%[0-9A-Fa-f]{2}/g, (triplet) => {
    const char = String.fromCharCode(Number.parseInt(triplet.slice(1), 16));
    return unreserved.test(char) ? char : triplet.toUpperCase();
  });
  if (doubleEscape.test(normal)) refuse('is encoded twice');
  return normal;
}

/**
 * What of a normal path is compared with prefixes: decoded wholly and without path parameters (`;x=1`),
 * since `/payroll;x=1` and `/pay%24` are `/payroll` and `/pay$` to many servers.
 */
export function pathKey(normal: string): string {
  const question = normal.indexOf('?');
  const bare = question < 0 ? normal : normal.slice(0, question);
  if (!bare.includes('%')) return bare.includes(';') ? bare.replace(/;[^/]*/g, '') : bare;
  return decode(bare).replace(/;[^/]*/g, '');
}

/** The key of a prefix: without a final slash, so that of `/` is empty. */
export function prefixKey(prefix: string, ignoreCase: boolean): string {
  const key = pathKey(prefix).replace(/\/$/, '');
  return ignoreCase ? key.toLowerCase() : key;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (thrown) {
    if (!(thrown instanceof URIError)) throw thrown;
    // Not UTF-8 but, say, Latin-1, as older servers have it: byte by byte then.
    return text.replace(/%([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  }
}
