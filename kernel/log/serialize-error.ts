import { SallyportError } from '#core/errors/error.ts';
import type { StatusName } from '#core/errors/status.ts';

/** What a log line says about an error. */
export interface SerializedError {
  readonly type: string;
  readonly message: string;
  readonly reason?: string;
  readonly hint?: string;
  readonly retryAfterMs?: number;
  /** Of Node's and MySQL's errors: ECONNREFUSED, ER_LOCK_DEADLOCK. */
  readonly code?: string;
  /** Only of what was not foreseen. */
  readonly stack?: string;
  readonly cause?: SerializedError;
  readonly errors?: readonly SerializedError[];
}

const maxCauses = 5;

/** Statuses that mean a fault in this program or its data: the stack helps. */
const faults: ReadonlySet<StatusName> = new Set(['INTERNAL', 'UNKNOWN', 'DATA_LOSS']);

/**
 * An error and its chain of causes (at most five). Only named fields are taken: libraries hang statements
 * with their values, sockets and requests on their errors. `cleanText` removes secrets from texts.
 */
export function serializeError(
  error: unknown,
  cleanText: (text: string) => string = (text) => text,
  depth = 0,
): SerializedError {
  if (!(error instanceof Error)) return { type: typeof error, message: cleanText(String(error)) };
  const cause =
    error.cause === undefined || depth >= maxCauses
      ? {}
      : { cause: serializeError(error.cause, cleanText, depth + 1) };
  const several =
    error instanceof AggregateError && depth < maxCauses
      ? { errors: error.errors.slice(0, 5).map((each) => serializeError(each, cleanText, depth + 1)) }
      : {};
  const message = cleanText(error.message);
  if (error instanceof SallyportError) {
    return {
      type: error.name,
      reason: error.reason,
      message,
      hint: cleanText(error.hint),
      ...(error.retryAfterMs === undefined ? {} : { retryAfterMs: error.retryAfterMs }),
      ...(faults.has(error.status) && error.cause === undefined ? stackOf(error, cleanText) : {}),
      ...cause,
    };
  }
  const code = 'code' in error && typeof error.code !== 'object' ? { code: String(error.code) } : {};
  return { type: error.name, message, ...code, ...stackOf(error, cleanText), ...cause, ...several };
}

function stackOf(error: Error, cleanText: (text: string) => string): { stack?: string } {
  return error.stack === undefined ? {} : { stack: cleanText(error.stack) };
}
