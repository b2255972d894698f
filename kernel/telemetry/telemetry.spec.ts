import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { trace } from '@opentelemetry/api';
import { describe, it } from 'mocha';
import { SallyportError } from '#core/errors/error.ts';
import { createLogger, silentLogger } from '#kernel/log/logger.ts';
import { waitFor } from '#kernel/time/wait-for.ts';
import { counter, gauge, histogram } from './metrics.ts';
import { extractTrace, injectTrace, tracer, withSpan } from './spans.ts';
import { startTelemetry } from './start-telemetry.ts';

interface Collector {
  readonly url: string;
  readonly received: { path: string; body: string; token: string | undefined }[];
  close(): void;
}

async function collector(status = 200): Promise<Collector> {
  const received: Collector['received'] = [];
  const server = createServer((call, response) => {
    const chunks: Buffer[] = [];
    call.on('data', (chunk: Buffer) => chunks.push(chunk));
    call.on('end', () => {
      const body = Buffer.concat(chunks).toString('latin1');
      const token = call.headers.authorization;
      received.push({ path: call.url ?? '', body, token });
      response.writeHead(status, { 'content-type': 'application/x-protobuf' }).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  assert.ok(typeof address === 'object' && address);
  const close = (): void => {
    server.close();
    server.closeAllConnections();
  };
  return { url: `http://127.0.0.1:${address.port}`, received, close };
}

function scrape(socketPath: string, path: string): Promise<{ status: number | undefined; text: string }> {
  return new Promise((resolve, reject) => {
    const call = request({ socketPath, path }, (response) => {
      let text = '';
      response.on('data', (chunk) => {
        text += String(chunk);
      });
      response.on('end', () => resolve({ status: response.statusCode, text }));
    });
    call.on('error', reject);
    call.end();
  });
}

const opened = counter('sallyport.test.opened', { unit: '{session}', description: 'Opened.' });
const duration = histogram('sallyport.test.duration', { unit: 's', description: 'Duration.' });

describe('telemetry', () => {
  it('does nothing when it is off, and nothing breaks', async () => {
    const telemetry = await startTelemetry({ pod: 'p', role: 'proxy', log: silentLogger });
    opened.add();
    duration.record(1);
    assert.equal(await withSpan(tracer(), 'x', {}, (span) => span.isRecording()), false);
    const headers: string[] = [];
    injectTrace((name) => headers.push(name));
    assert.deepEqual(headers, []);
    await telemetry.shutdown();
  });

  it('sends traces that join across a call, and metrics, and switches off again', async () => {
    const sink = await collector();
    try {
      const telemetry = await startTelemetry({
        ...{ pod: 'proxy-7', role: 'proxy', endpoint: sink.url, sampleRatio: 1, log: silentLogger },
        headers: { authorization: 'Bearer t' },
      });
      const headers = new Map<string, string>();
      const ids: string[] = [];
      const call = { method: 'a.B/C', header: (name: string) => headers.get(name) };
      const setHeader = (name: string, value: string): void => void headers.set(name, value);
      await withSpan(tracer(), 'outer-span', {}, async () => {
        const client = telemetry.rpcObserver.start({ ...call, side: 'client', setHeader });
        client.run(() => ids.push(trace.getActiveSpan()?.spanContext().traceId ?? ''));
        client.end(9, new SallyportError('ATTACH_REQUIRED'));
      });
      assert.match(headers.get('traceparent') ?? '', /^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
      const server = telemetry.rpcObserver.start({ ...call, side: 'server', setHeader });
      server.run(() => ids.push(trace.getActiveSpan()?.spanContext().traceId ?? ''));
      server.end(0);
      assert.equal(ids[0], ids[1]);
      assert.equal(trace.getSpanContext(extractTrace((name) => headers.get(name)))?.traceId, ids[0]);
      await assert.rejects(
        withSpan(tracer(), 'failing-span', {}, () => {
          throw new SallyportError('DB_BUSY', { message: 'SECRET' });
        }),
      );
      opened.add(3, { kind: 'device' });
      await telemetry.shutdown();
      const bodies = (path: string): string =>
        sink.received
          .filter((each) => each.path === path)
          .map((each) => each.body)
          .join('');
      for (const part of ['outer-span', 'failing-span', 'a.B/C', 'proxy-7', 'ATTACH_REQUIRED', 'DB_BUSY']) {
        assert.ok(bodies('/v1/traces').includes(part), part);
      }
      assert.ok(!bodies('/v1/traces').includes('SECRET'));
      for (const part of ['sallyport.test.opened', 'rpc.client.call.duration', 'rpc.status_code']) {
        assert.ok(bodies('/v1/metrics').includes(part), part);
      }
      assert.equal(sink.received[0]?.token, 'Bearer t');
      assert.equal(await withSpan(tracer(), 'x', {}, (span) => span.isRecording()), false);
    } finally {
      sink.close();
    }
  });

  it('serves Prometheus text on a Unix socket, with gauges that are read then', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'tel-'));
    let held = 41;
    const forget = gauge('sallyport.test.held', { unit: '{session}', description: 'Held.' }, () => held);
    const socketPath = join(dir, 'metrics.sock');
    const telemetry = await startTelemetry({
      ...{ pod: 'p', role: 'security', log: silentLogger, prometheus: { socketPath } },
    });
    try {
      held++;
      opened.add(2, { kind: 'device' });
      telemetry.rpcObserver
        .start({
          method: 'grpc.health.v1.Health/Check',
          side: 'server',
          header: () => undefined,
          setHeader: () => {},
        })
        .end(0);
      const { text } = await scrape(socketPath, '/metrics');
      assert.match(text, /sallyport_test_held(?:\{[^}]*\})? 42/);
      assert.match(text, /sallyport_test_opened_total\{[^}]*kind="device"[^}]*\} 2/);
      assert.match(text, /rpc_server_call_duration.*Health\/Check/);
      assert.equal((await scrape(socketPath, '/other')).status, 404);
      forget();
      held++;
      assert.doesNotMatch((await scrape(socketPath, '/metrics')).text, /test_held(?:\{[^}]*\})? 43/);
    } finally {
      await telemetry.shutdown();
      await rm(dir, { recursive: true });
    }
  });

  it('a collector that refuses costs a log line, nothing more', async () => {
    const lines: string[] = [];
    const log = createLogger({ pod: 'p', destination: { write: (line: string) => void lines.push(line) } });
    const sink = await collector(400);
    const telemetry = await startTelemetry({
      ...{ pod: 'p', role: 'proxy', endpoint: sink.url, sampleRatio: 1, log },
    });
    await withSpan(tracer(), 'lost', {}, () => {});
    await telemetry.shutdown();
    sink.close();
    await waitFor(() => lines.length > 0, { timeoutMs: 5000, what: 'the log line' });
    await assert.rejects(startTelemetry({ pod: 'p', role: 'proxy', endpoint: 'nonsense', log }), {
      reason: 'CONFIG_INVALID',
    });
  });
});
