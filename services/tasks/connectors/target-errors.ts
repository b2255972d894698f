import { SallyportError } from '#core/errors/error.ts';

const textOf = (cause: unknown): string =>
  (cause instanceof Error ? cause.message : String(cause)).replace(/\s+/g, ' ').slice(0, 300);

/** No byte of the effect has left: it may be tried again, whatever the receiver deduplicates. */
export const unreachable = (target: string, cause: unknown, retryAfterMs?: number): SallyportError =>
  new SallyportError('TARGET_UNREACHABLE', {
    message: `${target}: ${textOf(cause)}`,
    ...(cause instanceof Error && { cause }),
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  });

/** It was asked for, and the answer did not come. */
export const silent = (target: string, cause: unknown): SallyportError =>
  new SallyportError('TARGET_SILENT', {
    message: `${target}: ${textOf(cause)}`,
    ...(cause instanceof Error && { cause }),
  });

export const refused = (target: string, words: unknown): SallyportError =>
  new SallyportError('TARGET_REFUSED', {
    message: `${target}: ${textOf(words)}`,
    ...(words instanceof Error && { cause: words }),
  });

/** Errors of connecting: nothing was sent. */
const beforeSending: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ENOENT',
  'UND_ERR_CONNECT_TIMEOUT',
  'EDNS',
]);

export const wasSent = (error: unknown): boolean => !beforeSending.has(codeOf(error));

const codeOf = (error: unknown): string =>
  typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : '';
