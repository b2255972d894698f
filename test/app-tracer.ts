import { context, SpanKind, trace } from '@opentelemetry/api';
import { failSpan, injectTrace, tracer } from '#kernel/telemetry/spans.ts';
import type { Tracer } from '#sdk/trace.ts';

/** The SDK's spans by OpenTelemetry, as an app would make them. */
export const appTracer: Tracer = {
  start: (name) => {
    const span = tracer().startSpan(name, { kind: SpanKind.CLIENT });
    const headers = new Map<string, string>();
    injectTrace((header, value) => headers.set(header, value), trace.setSpan(context.active(), span));
    return {
      traceparent: headers.get('traceparent'),
      end: (error) => {
        if (error) failSpan(span, error);
        span.end();
      },
    };
  },
};
