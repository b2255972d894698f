import {
  type Attributes,
  type Context,
  context,
  propagation,
  type Span,
  type SpanOptions,
  SpanStatusCode,
  type Tracer,
  trace,
} from '@opentelemetry/api';
import { SallyportError } from '#core/errors/error.ts';

/** The tracer of this program; without effect until telemetry starts. */
export function tracer(): Tracer {
  return trace.getTracer('sallyport');
}

/**
 * Runs `work` in a span, which ends with it and says why it failed. `options` name its kind and its links; its
 * parent is that of `parent`, by default the present span.
 */
export async function withSpan<T>(
  by: Tracer,
  name: string,
  attributes: Attributes,
  work: (span: Span) => T | Promise<T>,
  options: Omit<SpanOptions, 'attributes'> & { readonly parent?: Context } = {},
): Promise<T> {
  const { parent = context.active(), ...rest } = options;
  return by.startActiveSpan(name, { ...rest, attributes }, parent, async (span) => {
    try {
      return await work(span);
    } catch (error) {
      failSpan(span, error);
      throw error;
    } finally {
      span.end();
    }
  });
}

/** Marks a span as failed. Only the reason goes out: messages may name what a collector need not know. */
export function failSpan(span: Span, error: unknown): void {
  const reason = error instanceof SallyportError ? error.reason : nameOf(error);
  span.setAttribute('error.type', reason);
  span.setStatus({ code: SpanStatusCode.ERROR, message: reason });
}

/** Adds the W3C `traceparent` (and `tracestate`) of `from` to the headers of an outgoing call. */
export function injectTrace(setHeader: (name: string, value: string) => void, from = context.active()): void {
  propagation.inject(from, setHeader, { set: (carrier, name, value) => carrier(name, value) });
}

/** The caller's context by its W3C headers; the present one when there are none or they are malformed. */
export function extractTrace(header: (name: string) => string | undefined): Context {
  return propagation.extract(context.active(), header, {
    keys: () => ['traceparent', 'tracestate'],
    get: (carrier, name) => carrier(name),
  });
}

function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : '_OTHER';
}
