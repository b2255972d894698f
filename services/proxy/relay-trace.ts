import { context, ROOT_CONTEXT, type Span, SpanKind, trace } from '@opentelemetry/api';
import type { RequestHead } from '#core/channel/multiplex/messages.ts';
import { extractTrace, injectTrace, tracer, withSpan } from '#kernel/telemetry/spans.ts';
import type { BackendRequest, BackendResponse, Backends } from './backends.ts';

/**
 * Runs `work` in the span of a request behind the seal, until the head of its answer: a child of the span that
 * the device names in its sealed head. What a device does not trace belongs to the call that
 * carries nothing else, or begins a trace of its own: one that lasts as long as a stream would help nobody. Path and headers are the backend's alone, so no span has them.
 */
export function relaySpan<T>(
  { head, oneCall }: { readonly head: RequestHead; readonly oneCall?: boolean },
  work: (span: Span) => Promise<T>,
): Promise<T> {
  const call = trace.getSpanContext(context.active());
  const told = context.with(ROOT_CONTEXT, () => extractTrace((name) => onlyOne(head, name)));
  const device = trace.getSpanContext(told);
  // A call of the same trace is nearer.
  const near = device === undefined ? oneCall === true : device.traceId === call?.traceId;
  return withSpan(tracer(), 'sallyport.relay', { 'http.request.method': head.method.slice(0, 32) }, work, {
    kind: SpanKind.SERVER,
    parent: near ? context.active() : told,
    ...(!near && call && { links: [{ context: call }] }),
  });
}

/** Asks a backend in a span of its own, which the backend is told of instead of the device's. */
export function backendSpan(
  backends: Pick<Backends, 'request'>,
  request: BackendRequest,
): Promise<BackendResponse> {
  const attributes = { 'http.request.method': request.method, 'sallyport.backend': request.backend };
  const ask = async (span: Span): Promise<BackendResponse> => {
    const headers = { ...request.headers };
    injectTrace((name, value) => {
      headers[name] = value;
    });
    const answer = await backends.request({ ...request, headers });
    span.setAttribute('http.response.status_code', answer.status);
    return answer;
  };
  return withSpan(tracer(), request.method, attributes, ask, { kind: SpanKind.CLIENT });
}

/** Two of them are nobody's word. */
function onlyOne(head: RequestHead, name: string): string | undefined {
  const found = head.headers.filter((header) => header.name === name);
  return found.length === 1 ? found[0]?.value : undefined;
}
