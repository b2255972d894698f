import { SallyportError } from '#core/errors/error.ts';
import { type Caller, callerOf } from './caller.ts';
import { clientAddress, clientAddressHeader } from './client-address.ts';
import type { CallContext } from './handlers.ts';

/** What a protocol stack gives to make a call of. */
export interface CallParts {
  readonly method: string;
  /** Wall-clock milliseconds. */
  readonly deadlineMs: number | undefined;
  header(name: string): string | undefined;
  setHeader(name: string, value: string): void;
  setTrailer(name: string, value: string): void;
  newRequestId(): string;
}

/**
 * A call in flight. What few handlers ask for (signal, caller, request id) is made when asked for, since
 * this is made for every RPC.
 */
export class ServerCall implements CallContext {
  readonly method: string;
  readonly deadlineMs: number | undefined;
  readonly #parts: CallParts;
  #controller: AbortController | undefined;
  #requestId: string | undefined;
  #caller: Caller | undefined;
  #over: (() => SallyportError) | undefined;

  constructor(parts: CallParts) {
    this.#parts = parts;
    this.method = parts.method;
    this.deadlineMs = parts.deadlineMs;
  }

  /** Nobody waits for an answer any more. */
  get over(): boolean {
    return this.#over !== undefined;
  }

  /** Why it is over; CANCELLED while it is not. */
  get reason(): SallyportError {
    return (this.#over ?? cancelled)();
  }

  /** The first reason counts. It is a function because making an error costs more than ending most calls. */
  abort(reason: () => SallyportError): void {
    if (this.#over) return;
    this.#over = reason;
    this.#controller?.abort(reason());
  }

  get signal(): AbortSignal {
    if (!this.#controller) {
      this.#controller = new AbortController();
      if (this.#over) this.#controller.abort(this.#over());
    }
    return this.#controller.signal;
  }

  get caller(): Caller {
    this.#caller ??= callerOf(this.header('x-forwarded-client-cert'));
    return this.#caller;
  }

  get requestId(): string {
    this.#requestId ??= this.header('x-request-id') || this.#parts.newRequestId();
    return this.#requestId;
  }

  get remoteAddress(): string | undefined {
    return clientAddress(this.caller, this.header(clientAddressHeader));
  }

  header(name: string): string | undefined {
    return this.#parts.header(name);
  }

  setHeader(name: string, value: string): void {
    this.#parts.setHeader(name, value);
  }

  setTrailer(name: string, value: string): void {
    this.#parts.setTrailer(name, value);
  }
}

export const cancelled = (): SallyportError => new SallyportError('CANCELLED');
export const ended = (): SallyportError => new SallyportError('CANCELLED', { message: 'the call has ended' });
export const closing = (): SallyportError =>
  new SallyportError('UNAVAILABLE', { message: 'this pod is closing', retryAfterMs: 100 });
export const pastDeadline = (): SallyportError => new SallyportError('DEADLINE');
