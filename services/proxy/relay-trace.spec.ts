import assert from 'node:assert/strict';
import { context, propagation, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { tracer, withSpan } from '#kernel/telemetry/spans.ts';
import type { BackendRequest } from './backends.ts';
import { backendSpan, relaySpan } from './relay-trace.ts';

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
      signal: new AbortController().signal,
    };
    const ask = async (got: BackendRequest) => {
      told = String(got.headers.traceparent);
      return { status: 200, headers: {}, body: (async function* () {})() };
    };
    const headers = values.map((value) => ({ name: 'traceparent', value }));
    const head = { method: 'GET', authority: 'x', path: '/secret', headers };
    await withSpan(tracer(), 'call', {}, () =>
      relaySpan({ head, oneCall }, () => backendSpan({ request: ask }, request)),
    );
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
