import { type ErrorReason, registry } from './registry.ts';
import type { StatusName } from './status.ts';

export interface ErrorOptions {
  /** Replaces the registry's message. Never holds a secret: it goes over the wire and into logs. */
  message?: string;
  /** Replaces the registry's hint. */
  hint?: string;
  /** Stays in this process; it is logged, never sent. */
  cause?: unknown;
  /** Milliseconds until a repetition makes sense; becomes google.rpc.RetryInfo. */
  retryAfterMs?: number;
  /** Further ErrorInfo metadata, for example the server's time. */
  metadata?: Readonly<Record<string, string>>;
}

/** The one error type. `reason` is registered, `status` follows from it. */
export class SallyportError extends Error {
  override readonly name = 'SallyportError';
  readonly reason: ErrorReason;
  readonly hint: string;
  readonly retryAfterMs: number | undefined;
  readonly metadata: Readonly<Record<string, string>>;

  constructor(reason: ErrorReason, options: ErrorOptions = {}) {
    super(
      options.message ?? registry[reason].message,
      options.cause === undefined ? {} : { cause: options.cause },
    );
    this.reason = reason;
    this.hint = options.hint ?? registry[reason].hint;
    this.retryAfterMs = options.retryAfterMs;
    this.metadata = options.metadata ?? {};
  }

  get status(): StatusName {
    return registry[this.reason].status;
  }

  /** Whatever was thrown, as a SallyportError: itself, or INTERNAL with it as the cause. */
  static from(thrown: unknown): SallyportError {
    return thrown instanceof SallyportError ? thrown : new SallyportError('INTERNAL', { cause: thrown });
  }
}

export function isReason(text: string): text is ErrorReason {
  return Object.hasOwn(registry, text);
}
