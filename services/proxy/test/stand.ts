/** A proxy between a security tier, a device and a backend that stand in for the real ones; no Envoy. */
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { collectBody } from '#core/channel/multiplex/incoming-body.ts';
import { SallyportError } from '#core/errors/error.ts';
import type { ErrorReason } from '#core/errors/registry.ts';
import { Relay } from '#gen/sallyport/relay/v1/relay_pb.js';
import { silentLogger } from '#kernel/log/logger.ts';
import { createGrpcClient, type GrpcClient } from '#kernel/rpc/grpc-client.ts';
import { systemClock } from '#kernel/time/system-clock.ts';
import { waitFor } from '#kernel/time/wait-for.ts';
import { proxyConfig } from '../config.ts';
import { type Proxy as RunningProxy, startProxy } from '../proxy.ts';
import { type FakeSession, type FakeTier, startFakeTier } from './fake-tier.ts';
import { attach, type DeviceAttachment, headOf } from './raw-device.ts';

export const MiB = 2 ** 20;
const policy = {
  resources: [
    {
      name: 'intranet',
      backend: 'intranet',
      hosts: ['intranet.example'],
      pathPrefix: '/',
      limits: { maxBodyBytes: 30 * MiB },
      rules: [{ name: 'staff', groups: ['staff'] }],
    },
    {
      name: 'closed',
      backend: 'intranet',
      hosts: ['intranet.example'],
      pathPrefix: '/closed',
      rules: [{ name: 'nobody', groups: ['nobody'] }],
    },
  ],
};

export interface ProxyStand {
  readonly tier: FakeTier;
  readonly proxy: RunningProxy;
  readonly relay: GrpcClient<typeof Relay>;
  /** Requests that have reached the backend. */
  readonly requests: IncomingMessage[];
  /** What the backend does with each; at first it echoes. */
  handle: (request: IncomingMessage, response: ServerResponse) => void;
  session(user: string): FakeSession;
  attach(session: FakeSession): Promise<DeviceAttachment>;
  close(): Promise<void>;
}

/** Starts everything; resolves when the proxy serves. `config` is more of the proxy's configuration. */
export async function startProxyStand(config: Record<string, unknown> = {}): Promise<ProxyStand> {
  const dir = mkdtempSync(join(tmpdir(), 'proxy-'));
  const sockets = { grpc: join(dir, 'grpc'), out: join(dir, 'out'), backends: join(dir, 'backends') };
  const tier = await startFakeTier(sockets.out, { pod: 'sec-0', policy, log: silentLogger });
  const backend = createServer((request, response) => {
    stand.requests.push(request);
    stand.handle(request, response);
  });
  await new Promise<void>((resolve) => backend.listen(sockets.backends, resolve));
  const proxy = await startProxy(
    proxyConfig.parse({ pod: 'proxy-0', sockets, securityPods: ['sec-0'], drainTimeout: 5000, ...config }),
    { clock: systemClock, log: silentLogger },
  );
  const relay = createGrpcClient(Relay, {
    address: `unix:${sockets.grpc}`,
    defaultDeadlineMs: 20_000,
    metadata: {
      'x-forwarded-client-cert': 'URI=spiffe://sallyport.internal/edge/edge-0',
      'x-sallyport-client-address': '203.0.113.7',
    },
  });
  const stand: ProxyStand = {
    tier,
    proxy,
    relay,
    requests: [],
    handle: (request, response) => {
      response.writeHead(200, { 'x-method': request.method, 'x-sallyport-inner': '1' });
      request.pipe(response);
    },
    session: (user) => tier.session(user),
    attach: (session) => attach(relay, session),
    close: async () => {
      relay.close();
      await proxy.close();
      backend.closeAllConnections();
      await new Promise((resolve) => backend.close(resolve));
      await tier.close();
      rmSync(dir, { recursive: true });
    },
  };
  await eventually('the proxy to serve', () => proxy.health.isServing());
  return stand;
}

export const eventually = <T>(what: string, condition: () => T | Promise<T>) =>
  waitFor(condition, { timeoutMs: 20_000, everyMs: 10, what });

/** Whether it is this error, and says so of the backend's having acted. */
export const failing = (reason: ErrorReason, maybeExecuted?: boolean) => (error: unknown) =>
  error instanceof SallyportError &&
  error.reason === reason &&
  (maybeExecuted === undefined || (error.metadata.maybeExecuted === 'true') === maybeExecuted);

/** A request whose answer is awaited whole. */
export async function ask(stream: ReturnType<DeviceAttachment['stream']>, path: string): Promise<Uint8Array> {
  const request = stream.multiplexer.request(headOf({ path }));
  request.body.end().catch(() => undefined);
  return collectBody((await request.response()).body, MiB);
}

/** Waits until a number has not changed for ten looks: whoever waits by then waits for the other side. */
export async function settled(read: () => number): Promise<void> {
  let last = -1;
  let same = 0;
  await waitFor(
    () => {
      same = read() === last ? same + 1 : 0;
      last = read();
      return last > 0 && same >= 10;
    },
    { timeoutMs: 20_000, everyMs: 20, what: 'it to settle' },
  );
}
