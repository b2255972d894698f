import { context, DiagLogLevel, diag, metrics, propagation, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import { OTLPMetricExporter } from '@opentelemetry/exporter-metrics-otlp-proto';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { type Resource, resourceFromAttributes } from '@opentelemetry/resources';
import { type IMetricReader, MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics';
import {
  BatchSpanProcessor,
  ParentBasedSampler,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from '@opentelemetry/sdk-trace';
import { SallyportError } from '#core/errors/error.ts';
import type { Logger } from '#kernel/log/logger.ts';
import { withDeadline } from '#kernel/time/deadline.ts';
import { rebindInstruments } from './metrics.ts';
import { startScrapeServer } from './scrape-server.ts';
import type { TelemetryOptions } from './start-telemetry.ts';

const shutdownMs = 5000;
const exportTimeoutMs = 4000;

/** Registers the OpenTelemetry SDK with its API. Returns the way to switch it off again. */
export async function startSdk(options: TelemetryOptions): Promise<() => Promise<void>> {
  const endpoint = options.endpoint === undefined ? undefined : parseEndpoint(options.endpoint);
  const resource = resourceFromAttributes({
    'service.name': `sallyport-${options.role}`,
    'service.namespace': options.mesh ?? 'sallyport',
    'service.instance.id': options.pod,
  });
  const scrape = options.prometheus ? await startScrapeServer(options.prometheus) : undefined;
  const readers: IMetricReader[] = scrape ? [scrape.reader] : [];
  const closes: [string, () => Promise<void>][] = [];

  diag.setLogger(diagnosticsTo(options.log), { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true });
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  propagation.setGlobalPropagator(new W3CTraceContextPropagator());
  if (endpoint) {
    const provider = tracerProvider(options, endpoint, resource);
    trace.setGlobalTracerProvider(provider);
    closes.push(['traces', () => provider.shutdown()]);
    readers.push(metricReader(options, endpoint));
  }
  const meters = new MeterProvider({ resource, readers });
  metrics.setGlobalMeterProvider(meters);
  closes.push(['metrics', () => meters.shutdown({ timeoutMillis: exportTimeoutMs })]);
  if (scrape) closes.push(['scrape server', () => scrape.close()]);
  rebindInstruments();

  return async () => {
    await Promise.all(closes.map(([name, close]) => closeOne(name, close, options.log)));
    for (const api of [trace, metrics, propagation, context, diag]) api.disable();
    rebindInstruments();
  };
}

function tracerProvider(options: TelemetryOptions, endpoint: URL, resource: Resource): TracerProvider {
  const exporter = new OTLPTraceExporter(exporterOptions(options, endpoint, 'v1/traces'));
  return new TracerProvider({
    resource,
    sampler: new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(options.sampleRatio ?? 0.1) }),
    spanLimits: { attributeCountLimit: 32, attributeValueLengthLimit: 512, eventCountLimit: 32 },
    // The queue is bounded: when the collector is away, spans are dropped, never memory.
    spanProcessors: [
      new BatchSpanProcessor({ exporter, maxQueueSize: 4096, exportTimeoutMillis: exportTimeoutMs }),
    ],
  });
}

function metricReader(options: TelemetryOptions, endpoint: URL): PeriodicExportingMetricReader {
  const everyMs = options.metricsEveryMs ?? 15_000;
  return new PeriodicExportingMetricReader({
    exporter: new OTLPMetricExporter(exporterOptions(options, endpoint, 'v1/metrics')),
    exportIntervalMillis: everyMs,
    exportTimeoutMillis: Math.min(everyMs, exportTimeoutMs),
  });
}

function exporterOptions(options: TelemetryOptions, endpoint: URL, path: string) {
  return {
    url: new URL(path, endpoint).href,
    timeoutMillis: exportTimeoutMs,
    concurrencyLimit: 4,
    ...(options.headers ? { headers: { ...options.headers } } : {}),
  };
}

function parseEndpoint(text: string): URL {
  const url = URL.parse(text.endsWith('/') ? text : `${text}/`);
  if (url && (url.protocol === 'http:' || url.protocol === 'https:')) return url;
  throw new SallyportError('CONFIG_INVALID', {
    message: 'the telemetry endpoint must be an http or https URL, for example http://127.0.0.1:4318',
  });
}

async function closeOne(name: string, close: () => Promise<void>, log: Logger): Promise<void> {
  try {
    await withDeadline(close, shutdownMs, { what: `sending the last ${name}` });
  } catch (err) {
    log.warn({ err, part: name }, 'telemetry could not be shut down in order');
  }
}

/** What the SDK complains about, mostly a collector that is away. Its texts repeat; the logger bounds that. */
function diagnosticsTo(log: Logger) {
  const say =
    (level: 'error' | 'warn' | 'info' | 'debug') =>
    (message: string): void =>
      log[level]({ detail: message }, 'telemetry');
  return {
    error: say('warn'),
    warn: say('warn'),
    info: say('info'),
    debug: say('debug'),
    verbose: say('debug'),
  };
}
