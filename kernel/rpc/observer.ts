import type { SallyportError } from '#core/errors/error.ts';

/**
 * What wants to know about every RPC, at either end: traces and rate/errors/duration figures
 * (kernel/telemetry). The stacks call it; they know nothing of OpenTelemetry.
 */
export interface RpcObserver {
  start(rpc: ObservedRpc): RpcObservation;
}

export interface ObservedRpc {
  /** `sallyport.relay.v1.Relay/Attach` */
  readonly method: string;
  readonly side: 'server' | 'client';
  /** A request header that came in; undefined at the client. */
  readonly header: (name: string) => string | undefined;
  /** Adds a header to the request that goes out; without effect at the server. */
  readonly setHeader: (name: string, value: string) => void;
}

export interface RpcObservation {
  /** Runs `work` (and what it awaits) in the context of this RPC, so that spans within become its children. */
  run<T>(work: () => T): T;
  /** Once, at the end. `code` is the canonical gRPC code, 0 for OK; `error` the reason if there is one. */
  end(code: number, error?: SallyportError): void;
}

const observation: RpcObservation = { run: (work) => work(), end: () => {} };

/** Observes nothing. */
export const noObserver: RpcObserver = { start: () => observation };
