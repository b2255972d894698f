import type { Logger } from '#kernel/log/logger.ts';
import { noObserver, type RpcObserver } from '#kernel/rpc/observer.ts';
import type { Clock } from '#kernel/time/clock.ts';
import { systemClock } from '#kernel/time/system-clock.ts';

export interface TelemetryOptions {
  pod: string;
  role: string;
  /** Name of the mesh, `service.namespace` of the resource; default `sallyport`. */
  mesh?: string;
  /** Where traces and metrics go by OTLP over HTTP: `http://127.0.0.1:4318`. Without it they go nowhere. */
  endpoint?: string;
  /** Headers for the collector, for example its token. */
  headers?: Readonly<Record<string, string>>;
  /** Share of the traces that begin here that are recorded, 0 to 1; default 0.1. A caller's decision is followed. */
  sampleRatio?: number;
  /** Milliseconds between two exports of metrics; default 15,000. */
  metricsEveryMs?: number;
  /** Serves metrics as Prometheus text at `/metrics`, on a Unix socket or a loopback port. */
  prometheus?: { socketPath: string } | { port: number; address?: string };
  log: Logger;
  clock?: Clock;
}

export interface Telemetry {
  /** For kernel/rpc's servers and clients; observes nothing when telemetry is off. */
  readonly rpcObserver: RpcObserver;
  /** Sends what is left, within 5 seconds, and switches off. Failures are logged, not thrown. */
  shutdown(): Promise<void>;
}

/**
 * Switches on traces and metrics for this process. Without endpoint and prometheus it does nothing at all:
 * the SDK is not even loaded, and the API's calls all over the code cost next to nothing.
 * @throws SallyportError CONFIG_INVALID for an endpoint that is no URL; what listening throws.
 */
export async function startTelemetry(options: TelemetryOptions): Promise<Telemetry> {
  if (options.endpoint === undefined && options.prometheus === undefined) {
    return { rpcObserver: noObserver, shutdown: async () => {} };
  }
  const { startSdk } = await import('./sdk.ts');
  const { createRpcObserver } = await import('./rpc-observer.ts');
  const shutdown = await startSdk(options);
  return { rpcObserver: createRpcObserver(options.clock ?? systemClock), shutdown };
}
