/** By RFC 9110 section 9.2.2, without TRACE: doing it twice is as doing it once. */
export const idempotentMethods: ReadonlySet<string> = new Set(['GET', 'HEAD', 'PUT', 'DELETE', 'OPTIONS']);
