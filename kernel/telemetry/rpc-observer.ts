import { type Attributes, context, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { Status, type StatusName } from '#core/errors/status.ts';
import type { ObservedRpc, RpcObservation, RpcObserver } from '#kernel/rpc/observer.ts';
import type { Clock } from '#kernel/time/clock.ts';
import { histogram } from './metrics.ts';
import { extractTrace, injectTrace, tracer } from './spans.ts';

/**
 * Names of OpenTelemetry's stable semantic conventions for RPC (semantic-conventions 1.45,
 * stable_attributes and stable_metrics; https://opentelemetry.io/docs/specs/semconv/rpc/).
 */
export const rpcNames = {
  system: 'rpc.system.name',
  method: 'rpc.method',
  status: 'rpc.status_code',
  error: 'error.type',
  serverDuration: 'rpc.server.call.duration',
  clientDuration: 'rpc.client.call.duration',
} as const;

const statusNames: ReadonlyMap<number, StatusName | 'OK'> = new Map<number, StatusName | 'OK'>([
  [0, 'OK'],
  ...Object.entries(Status).map(([name, code]): [number, StatusName] => [code, name as StatusName]),
]);

/** What counts as the server's own failure (semantic conventions for gRPC); at a client every code but OK does. */
const serverFaults: ReadonlySet<string> = new Set([
  'UNKNOWN',
  'DEADLINE_EXCEEDED',
  'UNIMPLEMENTED',
  'INTERNAL',
  'UNAVAILABLE',
  'DATA_LOSS',
]);

/** Envoy asks twice a second from every sidecar: counted, but no trace each. */
const untraced = 'grpc.health.v1.';

const durations = {
  server: histogram(rpcNames.serverDuration, { unit: 's', description: 'Duration of incoming calls.' }),
  client: histogram(rpcNames.clientDuration, { unit: 's', description: 'Duration of outgoing calls.' }),
} as const;

/** Traces each RPC, joined to its caller's trace, and records its duration by method and status. */
export function createRpcObserver(clock: Clock): RpcObserver {
  return { start: (rpc) => observe(rpc, clock) };
}

function observe(rpc: ObservedRpc, clock: Clock): RpcObservation {
  const begun = clock.monotonic();
  const attributes: Attributes = { [rpcNames.system]: 'grpc', [rpcNames.method]: rpc.method };
  const record = (status: string, error: Attributes): void =>
    durations[rpc.side].record((clock.monotonic() - begun) / 1000, {
      ...attributes,
      ...error,
      [rpcNames.status]: status,
    });
  if (rpc.method.startsWith(untraced)) {
    return { run: (work) => work(), end: (code) => record(nameOf(code), {}) };
  }
  const parent = rpc.side === 'server' ? extractTrace(rpc.header) : context.active();
  const kind = rpc.side === 'server' ? SpanKind.SERVER : SpanKind.CLIENT;
  const span = tracer().startSpan(rpc.method, { kind, attributes }, parent);
  const within = trace.setSpan(parent, span);
  if (rpc.side === 'client') injectTrace(rpc.setHeader, within);
  return {
    run: (work) => context.with(within, work),
    end: (code, error) => {
      const status = nameOf(code);
      const failed = rpc.side === 'server' ? serverFaults.has(status) : status !== 'OK';
      const type: Attributes = code === 0 ? {} : { [rpcNames.error]: error?.reason ?? status };
      span.setAttributes({ ...type, [rpcNames.status]: status });
      if (failed) span.setStatus({ code: SpanStatusCode.ERROR, message: error?.reason ?? status });
      span.end();
      record(status, type);
    },
  };
}

function nameOf(code: number): string {
  return statusNames.get(code) ?? String(code);
}
