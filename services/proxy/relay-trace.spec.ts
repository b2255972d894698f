import assert from 'node:assert/strict';
import { context, propagation, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { SallyportError } from '#core/errors/error.ts';
import { tracer, withSpan } from '#kernel/telemetry/spans.ts';
import type { AnswerSink, BackendRequest } from './backends.ts';
import { backendSpan, relaySpan } from './relay-trace.ts';
import { WorkScope } from './work-scope.ts';

const deviceTrace = 'a'.repeat(32);
const deviceSpan = 'b'.repeat(16);
const traceparent = `00-${deviceTrace}-${deviceSpan}-01`;

describe('the trace of a request behind the seal', () => {
  const exporter = new InMemorySpanExporter();

  beforeEach(() => {
    context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
    propagation.setGlobalPropagator(new W3CTraceContextPropagator());
    trace.setGlobalTracerProvider(
      new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] }),
    );
  });
  afterEach(() => {
    for (const api of [trace, propagation, context]) api.disable();
    exporter.reset();
  });

  /** Relays with these headers within a call, and gives what the backend was told. */
  async function relayed(values: readonly string[], oneCall = false): Promise<string> {
    let told = '';
    const request: BackendRequest = {
      ...{ backend: 'intranet', method: 'GET', authority: 'x', path: '/secret', body: undefined },
      headers: { traceparent: [...values] },
      scope: new WorkScope(),
    };
    const ask = async (got: BackendRequest, sink: AnswerSink) => {
      told = String(got.headers.traceparent);
      sink.head(200, {});
      await sink.data(Buffer.from('x'));
    };
    const seen: unknown[] = [];
    const headers = values.map((value) => ({ name: 'traceparent', value }));
    const head = { method: 'GET', authority: 'x', path: '/secret', headers };
    await withSpan(tracer(), 'call', {}, () =>
      relaySpan({ head, oneCall }, (answered) =>
        backendSpan({ request: ask }, request, {
          head: (status) => {
            seen.push(status);
            answered(status);
          },
          data: (piece) => void seen.push(String(piece)),
        }),
      ),
    );
    assert.deepEqual(seen, [200, 'x']);
    return told;
  }
  const spanNamed = (name: string) => {
    const span = exporter.getFinishedSpans().find((each) => each.name === name);
    assert.ok(span, name);
    return span;
  };

  it('is the one that the device names, and the backend is told of the nearest span', async () => {
    const told = await relayed([traceparent]);
    const span = spanNamed('sallyport.relay');
    assert.equal(span.spanContext().traceId, deviceTrace);
    assert.equal(span.parentSpanContext?.spanId, deviceSpan);
    assert.equal(told, `00-${deviceTrace}-${spanNamed('GET').spanContext().spanId}-01`);
    assert.equal(span.links[0]?.context.spanId, spanNamed('call').spanContext().spanId);
  });

  it('ends at the head of the answer, with its status, or with why there is none', async () => {
    let during: string[] = [];
    const finished = () => exporter.getFinishedSpans().map((each) => each.name);
    const head = { method: 'GET', authority: 'x', path: '/', headers: [] };
    await relaySpan({ head }, async (answered) => {
      answered(204);
      during = finished();
      throw new SallyportError('LEASE_LOST');
    }).catch(() => undefined);
    assert.deepEqual(during, ['sallyport.relay']);
    assert.equal(spanNamed('sallyport.relay').attributes['http.response.status_code'], 204);
    exporter.reset();
    const denied = new SallyportError('POLICY_DENIED');
    await assert.rejects(
      relaySpan({ head }, () => Promise.reject(denied)),
      denied,
    );
    assert.equal(spanNamed('sallyport.relay').attributes['error.type'], 'POLICY_DENIED');
    assert.equal(exporter.getFinishedSpans().length, 1);
  });

  it('is that of a call which carries nothing else, when the device names none', async () => {
    await relayed([], true);
    assert.equal(
      spanNamed('sallyport.relay').parentSpanContext?.spanId,
      spanNamed('call').spanContext().spanId,
    );
  });

  for (const [what, values] of [
    ['no', []],
    ['two', [traceparent, traceparent]],
    ['a malformed', ['00-zz']],
  ] as const) {
    it(`is its own for ${what} traceparent, linked to the call that carries it`, async () => {
      await relayed(values);
      const span = spanNamed('sallyport.relay');
      const call = spanNamed('call').spanContext();
      assert.equal(span.parentSpanContext, undefined);
      assert.notEqual(span.spanContext().traceId, call.traceId);
      assert.notEqual(span.spanContext().traceId, deviceTrace);
      assert.equal(span.links[0]?.context.traceId, call.traceId);
    });
  }
});
