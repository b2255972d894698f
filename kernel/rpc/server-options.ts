import type { Admission } from './admission.ts';
import type { Implementation } from './implement.ts';
import type { RpcObserver } from './observer.ts';

/** The part of a logger that the servers use; a pino logger is one. */
export interface RpcLog {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** What both servers are made of. */
export interface RpcServerOptions {
  readonly services: readonly Implementation[];
  readonly log: RpcLog;
  /** Bounds the calls in flight. Default: one of its own, so that two servers do not crowd out each other. */
  readonly admission?: Admission;
  readonly observer?: RpcObserver;
  /** Name of this pod, told in errors. */
  readonly pod?: string;
  /** Bytes; default 4 MiB. Larger requests get TOO_LARGE. */
  readonly maxRequestBytes?: number;
  /** For calls that come without `x-request-id`; default crypto.randomUUID. */
  readonly newRequestId?: () => string;
}

export interface RpcServer {
  /** Binds to a Unix socket: an absolute path. @throws SallyportError START_FAILED, CONFIG_INVALID */
  listen(socketPath: string): Promise<void>;
  /** Calls in flight. */
  readonly active: number;
  /**
   * Takes no more connections and calls, waits up to `graceMs` for those in flight to end by themselves,
   * then aborts their signals (callers get UNAVAILABLE), and at last cuts them. Resolves when closed.
   */
  close(options: { graceMs: number }): Promise<void>;
}
