import { SpanKind, trace } from '@opentelemetry/api';
import { SallyportError } from '#core/errors/error.ts';
import { histogram } from '#kernel/telemetry/metrics.ts';
import { tracer, withSpan } from '#kernel/telemetry/spans.ts';
import type { Clock } from '#kernel/time/clock.ts';

/**
 * Names of OpenTelemetry's semantic conventions for databases
 * (https://opentelemetry.io/docs/specs/semconv/database/). No statement is told: values stand in some.
 */
const names = {
  system: 'db.system.name',
  operation: 'db.operation.name',
  error: 'error.type',
  duration: 'db.client.operation.duration',
} as const;

const duration = histogram(names.duration, {
  unit: 's',
  description: 'Calls of the database, with their waiting and their repetitions.',
});

/**
 * Measures a call of the database, and shows it as a span `db.tx` or `db.read` of the trace that it belongs to.
 * What runs by itself, such as looking at the feed every second, begins no trace.
 */
export async function observed<T>(
  operation: 'tx' | 'read',
  clock: Clock,
  work: () => Promise<T>,
): Promise<T> {
  const begun = clock.monotonic();
  const attributes = { [names.system]: 'mysql', [names.operation]: operation };
  const record = (more: Record<string, string> = {}): void =>
    duration.record((clock.monotonic() - begun) / 1000, { ...attributes, ...more });
  try {
    const result =
      trace.getActiveSpan() === undefined
        ? await work()
        : await withSpan(tracer(), `db.${operation}`, attributes, work, { kind: SpanKind.CLIENT });
    record();
    return result;
  } catch (error) {
    // What a closure throws itself is its own affair, whose names may be many.
    record({ [names.error]: error instanceof SallyportError ? error.reason : '_OTHER' });
    throw error;
  }
}
