import { SallyportError } from '../core/errors/error.ts';

/** Where the spans of the SDK go; an app passes its own tracer in, of whatever make. `test/app-tracer.ts` is one for OpenTelemetry. */
export interface Tracer {
  /** Begins a span, a child of what the app has under way. Names: `open`, `attach`, `renew`, `close`, `GET` …. */
  start(name: string): TraceSpan;
}

export interface TraceSpan {
  /** W3C `traceparent` of this span: the mesh's spans become its children. Undefined: they get no parent. */
  readonly traceparent: string | undefined;
  /** Once. `error` is there if it failed; its message may name what a collector need not know. */
  end(error?: SallyportError): void;
}

export const traceHeader = 'traceparent';
/** Version 00 of https://www.w3.org/TR/trace-context/ */
const wellFormed = /^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/;

/** Runs `work` in a span, and gives it the `traceparent` for what it sends. */
export async function traced<T>(
  tracer: Tracer | undefined,
  name: string,
  work: (traceparent: string | undefined) => Promise<T>,
): Promise<T> {
  if (!tracer) return work(undefined);
  const span = tracer.start(name);
  const { traceparent } = span;
  try {
    const result = await work(
      traceparent !== undefined && wellFormed.test(traceparent) ? traceparent : undefined,
    );
    span.end();
    return result;
  } catch (error) {
    span.end(SallyportError.from(error));
    throw error;
  }
}
