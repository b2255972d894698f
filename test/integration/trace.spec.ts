import assert from 'node:assert/strict';
import { after, before, describe, it } from 'mocha';
import { socketPath } from '#compose/topology/paths.ts';
import { askAdmin } from '#envoy/admin/ask.ts';
import { silentLogger } from '#kernel/log/logger.ts';
import { startTelemetry, type Telemetry } from '#kernel/telemetry/start-telemetry.ts';
import { waitFor } from '#kernel/time/wait-for.ts';
import { decodeSession } from '#sdk/saved-session.ts';
import { runningMesh } from '#services/cli/mesh/mesh-of-state.ts';
import { appTracer } from '../app-tracer.ts';
import { activationFor, meshStartMs, type OwnMesh, ownMesh } from '../mesh.ts';
import { enrolDevice } from '../mesh-device.ts';
import { type OtlpReceiver, type ReceivedSpan, startOtlpReceiver } from '../otlp-receiver.ts';
import { addMade, addPrivateKeys, addSealed } from '../secrets/mesh-secrets.ts';
import { Needles } from '../secrets/needles.ts';

const relay = 'sallyport.relay.v1.Relay';
const lease = 'sallyport.keystore.v1.KeyStore/LeaseSessionKey';
const token = 'a-token-in-a-query-0123456789';

/** What one GET is made of when the phone attaches for it, from the phone to whom it asks: who says so, and what. */
const toTheProxy = (method: string): readonly string[] => [
  'phone GET',
  'edge-sidecar ingress',
  'edge-sidecar router proxy egress',
  'proxy-sidecar ingress',
  'proxy-sidecar router grpc egress',
  `proxy ${relay}/${method}`,
];
const attached = [
  ...toTheProxy('Attach'),
  `proxy ${lease}`,
  'proxy-sidecar ingress',
  'proxy-sidecar router security egress',
  'security-sidecar ingress',
  'security-sidecar router grpc egress',
  `security ${lease}`,
  'security db.read',
];
const toTheBackend = [
  'proxy sallyport.relay',
  'proxy GET',
  'proxy-sidecar ingress',
  'proxy-sidecar router backend/intranet egress',
  'backend-sidecar ingress',
  'backend-sidecar router http egress',
];

describe('telemetry of a mesh', function () {
  this.timeout(170_000);
  let receiver: OtlpReceiver;
  let own: OwnMesh;
  let phoneTelemetry: Telemetry;
  const needles = new Needles();

  before(async function () {
    this.timeout(meshStartMs);
    receiver = await startOtlpReceiver();
    const { endpoint } = receiver;
    const phone = { pod: 'phone', role: 'phone', log: silentLogger };
    phoneTelemetry = await startTelemetry({ ...phone, endpoint, sampleRatio: 1 });
    // Nothing is traced but what the phone begins.
    own = await ownMesh({
      sizes: { security: 1, proxies: 1, edges: 1, db: 1 },
      telemetry: { endpoint, sampleRatio: 0 },
    });
    addMade(needles, own);
    needles.addText('token in a query', token);
    needles.addText('any JWT', 'eyJhbGci');
  });
  after(async () => {
    await phoneTelemetry?.shutdown();
    await own?.close();
    receiver?.close();
  });

  for (const carrier of ['stream', 'exchange'] as const) {
    it(`joins a GET from the phone to SQL and the backend in one trace (${carrier})`, async () => {
      const activation = await activationFor(own);
      needles.addText(`activation string (${carrier})`, activation);
      const streams = carrier === 'stream';
      const { device, credentials } = await enrolDevice(own, { activation, streams, tracer: appTracer });
      const session = await device.open(credentials);
      needles.addKey(`session key (${carrier})`, decodeSession(device.save(session)).sessionKey);
      needles.addKey(`shared key (${carrier})`, device.enrolment.sharedKey);
      // Whoever comes up again has to look the session up in the database.
      assert.ok(own.kill('sec-0', 'process', 'SIGKILL'));
      await own.waitUp();
      const page = await session.fetch(`/whoami?token=${token}`);
      assert.equal(page.status, 200);
      await page.text();
      await session.close();
      device.close();

      const way = [...toTheProxy(streams ? 'Stream' : 'Exchange'), ...toTheBackend];
      const whole = (): boolean => gets().some((spans) => hasPath(spans, attached) && hasPath(spans, way));
      const seen = (): string => [...gets()].map((spans) => spans.map(told).join('\n')).join('\n\n');
      await waitFor(whole, { timeoutMs: 30_000, what: 'a trace with all of the way' }).catch((error) =>
        assert.fail(`${error}:\n${seen()}`),
      );
    });
  }

  it('counts each RPC by method and status, with its duration, and Envoy does so beside', async () => {
    const admin = socketPath(own.topology, 'proxy-0', 'admin');
    assert.match(
      await askAdmin(admin, '/stats'),
      /grpc\.sallyport\.relay\.v1\.Relay\.Attach\.success: [1-9]/,
    );
    assert.match(await askAdmin(admin, '/stats/prometheus'), /^envoy_cluster_/m);
    await addSealed(needles, runningMesh(own.stateDir));
    addPrivateKeys(needles, own.stateDir);
    // What has not been sent is sent then.
    await own.close();
    await phoneTelemetry.shutdown();
    const counted = (service: string, metric: string, attributes: Record<string, string>): boolean =>
      receiver.points.some(
        (point) =>
          point.service === `sallyport-${service}` &&
          point.metric === metric &&
          point.count > 0 &&
          Object.entries(attributes).every(([name, value]) => point.attributes.get(name) === value),
      );
    const ok = (method: string) => ({ 'rpc.method': method, 'rpc.status_code': 'OK' });
    assert.ok(counted('proxy', 'rpc.server.call.duration', ok(`${relay}/Attach`)));
    assert.ok(counted('proxy', 'rpc.server.call.duration', ok(`${relay}/Exchange`)));
    assert.ok(counted('proxy', 'rpc.client.call.duration', ok(lease)));
    assert.ok(counted('security', 'rpc.server.call.duration', ok(lease)));
    assert.ok(counted('security', 'db.client.operation.duration', { 'db.operation.name': 'read' }));
  });

  it('tells nobody a secret, a path behind the seal, or anything the receiver does not understand', () => {
    assert.deepEqual(receiver.refused, []);
    assert.ok(receiver.raw.length > 0);
    assert.deepEqual(
      [...new Set(receiver.raw.flatMap((bytes) => needles.in(bytes).map(({ secret }) => secret)))],
      [],
    );
    assert.ok(!receiver.raw.some((bytes) => bytes.includes('/whoami')));
  });

  /** The spans of each trace that a GET of the phone began. */
  const gets = (): ReceivedSpan[][] =>
    receiver.spans
      .filter((span) => told(span) === 'phone GET')
      .map(({ traceId }) => receiver.spans.filter((span) => span.traceId === traceId));
});

const told = ({ service, name }: ReceivedSpan): string => `${service.replace(/^sallyport-/, '')} ${name}`;

/** Whether the spans have a chain of parents and children, each as told. */
function hasPath(spans: readonly ReceivedSpan[], path: readonly string[], parentId = ''): boolean {
  const [first, ...rest] = path;
  if (first === undefined) return true;
  return spans.some(
    (span) => span.parentId === parentId && told(span) === first && hasPath(spans, rest, span.spanId),
  );
}
