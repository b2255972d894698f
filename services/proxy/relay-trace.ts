import {
  context,
  propagation,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  type SpanOptions,
  trace,
} from '@opentelemetry/api';
import type { RequestHead } from '#core/channel/multiplex/messages.ts';
import { extractTrace, failSpan, injectTrace, tracer } from '#kernel/telemetry/spans.ts';
import type { AnswerSink, BackendRequest, Backends } from './backends.ts';

/** What work in a span calls when it has the head of the answer, with the status: there the span ends. */
type Answered = (status: number) => void;

/**
 * Runs `work` in the span of a request behind the seal, until the head of its answer: a child of the span that
 * the device names in its sealed head. What a device does not trace belongs to the call that
 * carries nothing else, or begins a trace of its own: one that lasts as long as a stream would help nobody. Path and headers are the backend's alone, so no span has them.
 */
export function relaySpan(
  { head, oneCall }: { readonly head: RequestHead; readonly oneCall?: boolean },
  work: (answered: Answered) => Promise<void>,
): Promise<void> {
  if (!tracing()) return work(unobserved);
  const call = trace.getSpanContext(context.active());
  const told = context.with(ROOT_CONTEXT, () => extractTrace((name) => onlyOne(head, name)));
  const device = trace.getSpanContext(told);
  // A call of the same trace is nearer.
  const near = device === undefined ? oneCall === true : device.traceId === call?.traceId;
  const attributes = { 'http.request.method': head.method.slice(0, 32) };
  const links = !near && call && { links: [{ context: call }] };
  return within(
    'sallyport.relay',
    { kind: SpanKind.SERVER, attributes, ...links },
    near ? context.active() : told,
    work,
  );
}

/** Asks a backend in a span of its own, which the backend is told of instead of the device's. */
export function backendSpan(
  backends: Pick<Backends, 'request'>,
  request: BackendRequest,
  sink: AnswerSink,
): Promise<void> {
  if (!tracing()) return backends.request(request, sink);
  const attributes = { 'http.request.method': request.method, 'sallyport.backend': request.backend };
  return within(request.method, { kind: SpanKind.CLIENT, attributes }, context.active(), (answered) => {
    const headers = { ...request.headers };
    injectTrace((name, value) => {
      headers[name] = value;
    });
    return backends.request(
      { ...request, headers },
      {
        head: (status, fields) => {
          answered(status);
          sink.head(status, fields);
        },
        data: (piece) => sink.data(piece),
      },
    );
  });
}

/** Whether anybody propagates traces here; if not, spans are nobody's, and still cost as much as a small page. */
const tracing = (): boolean => propagation.fields().length > 0;

const unobserved: Answered = () => {};

async function within(
  name: string,
  options: SpanOptions,
  parent: ReturnType<typeof context.active>,
  work: (answered: Answered) => Promise<void>,
): Promise<void> {
  const span: Span = tracer().startSpan(name, options, parent);
  const answered = (status: number): void => {
    if (!span.isRecording()) return;
    span.setAttribute('http.response.status_code', status);
    span.end();
  };
  try {
    await context.with(trace.setSpan(parent, span), () => work(answered));
  } catch (error) {
    if (span.isRecording()) failSpan(span, error);
    throw error;
  } finally {
    if (span.isRecording()) span.end();
  }
}

/** Two of them are nobody's word. */
function onlyOne(head: RequestHead, name: string): string | undefined {
  const found = head.headers.filter((header) => header.name === name);
  return found.length === 1 ? found[0]?.value : undefined;
}
