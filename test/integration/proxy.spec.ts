/** A proxy between a security tier, a device and a backend that stand in for the real ones; no Envoy. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, it } from 'mocha';
import { collectBody } from '#core/channel/multiplex/incoming-body.ts';
import { SallyportError } from '#core/errors/error.ts';
import type { ErrorReason } from '#core/errors/registry.ts';
import { RevocationKind } from '#gen/sallyport/authorize/v1/proxy_authorize_pb.js';
import { Relay } from '#gen/sallyport/relay/v1/relay_pb.js';
import { silentLogger } from '#kernel/log/logger.ts';
import { createGrpcClient, type GrpcClient } from '#kernel/rpc/grpc-client.ts';
import { systemClock } from '#kernel/time/system-clock.ts';
import { waitFor } from '#kernel/time/wait-for.ts';
import { proxyConfig } from '#services/proxy/config.ts';
import { type Proxy as RunningProxy, startProxy } from '#services/proxy/proxy.ts';
import { type FakeSession, type FakeTier, startFakeTier } from '#services/proxy/test/fake-tier.ts';
import { attach, type DeviceAttachment, headOf } from '#services/proxy/test/raw-device.ts';

const MiB = 2 ** 20;
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

const failing = (reason: ErrorReason, maybeExecuted?: boolean) => (error: unknown) =>
  error instanceof SallyportError &&
  error.reason === reason &&
  (maybeExecuted === undefined || (error.metadata.maybeExecuted === 'true') === maybeExecuted);
const eventually = <T>(what: string, condition: () => T | Promise<T>) =>
  waitFor(condition, { timeoutMs: 20_000, everyMs: 10, what });
const post = { method: 'POST', path: '/echo' };

describe('a proxy', function () {
  this.timeout(60_000);
  let dir: string;
  let tier: FakeTier;
  let backend: Server;
  let proxy: RunningProxy;
  let relay: GrpcClient<typeof Relay>;
  let session: FakeSession;
  let device: DeviceAttachment;
  let handle: (request: IncomingMessage, response: ServerResponse) => void;
  let requests: IncomingMessage[];
  let config: Record<string, unknown> = {};

  const start = async (): Promise<void> => {
    const sockets = { grpc: join(dir, 'grpc'), out: join(dir, 'out'), backends: join(dir, 'backends') };
    proxy = await startProxy(
      proxyConfig.parse({ pod: 'proxy-0', sockets, securityPods: ['sec-0'], drainTimeout: 5000, ...config }),
      { clock: systemClock, log: silentLogger },
    );
    relay = createGrpcClient(Relay, {
      address: `unix:${sockets.grpc}`,
      defaultDeadlineMs: 20_000,
      metadata: {
        'x-forwarded-client-cert': 'URI=spiffe://sallyport.internal/edge/edge-0',
        'x-sallyport-client-address': '203.0.113.7',
      },
    });
    await eventually('the proxy to serve', () => proxy.health.isServing());
  };

  before(async () => {
    dir = mkdtempSync(join(tmpdir(), 'proxy-'));
    tier = await startFakeTier(join(dir, 'out'), { pod: 'sec-0', policy, log: silentLogger });
    backend = createServer((request, response) => {
      requests.push(request);
      handle(request, response);
    });
    await new Promise<void>((resolve) => backend.listen(join(dir, 'backends'), resolve));
  });
  beforeEach(async () => {
    Object.assign(tier, { leaseMs: 10_000, fault: undefined, deny: false });
    tier.asked.length = 0;
    requests = [];
    handle = (request, response) => {
      response.writeHead(200, { 'x-method': request.method, 'x-sallyport-inner': '1' });
      request.pipe(response);
    };
    session = tier.session('ada');
    await start();
    device = await attach(relay, session);
  });
  afterEach(async () => {
    config = {};
    relay.close();
    await proxy.close();
    backend.closeAllConnections();
  });
  after(async () => {
    await tier.close();
    await new Promise((resolve) => backend.close(resolve));
    rmSync(dir, { recursive: true });
  });

  it('relays an exchange with what only it may say', async () => {
    const answer = await device.exchange(
      { ...post, headers: [{ name: 'x-forwarded-for', value: '1.2.3.4' }] },
      Buffer.from('hello'),
    );
    assert.equal(answer.head?.status, 200);
    assert.equal(Buffer.from(answer.body).toString(), 'hello');
    assert.equal(
      answer.head?.headers.some(({ name }) => name.startsWith('x-sallyport')),
      false,
    );
    const [request] = requests;
    assert.equal(request?.headers['x-sallyport-assertion'], 'jwt of ada');
    assert.equal(request?.headers['x-sallyport-authority'], 'intranet.example');
    assert.equal(request?.headers['x-forwarded-for'], '203.0.113.7');
    assert.equal(tier.asked[0]?.request?.clientAddress, '203.0.113.7');
    await device.exchange(post);
    assert.equal(tier.asked.length, 1, 'the second was decided here');
  });

  it('refuses what policy here, or the tier, denies', async () => {
    await assert.rejects(device.exchange({ path: '/closed/x' }), failing('POLICY_DENIED', false));
    assert.equal(tier.asked.length, 0);
    tier.deny = true;
    await assert.rejects(device.exchange({ path: '/' }), failing('POLICY_DENIED', false));
    await assert.rejects(device.exchange({ authority: 'other.example' }), failing('RESOURCE_UNKNOWN', false));
    assert.equal(requests.length, 0);
  });

  it('refuses a frame that comes again, or was never sealed, or is too large, and goes on', async () => {
    const frame = device.seal(post, Buffer.from('once'));
    await device.send(frame);
    await assert.rejects(device.send(frame), failing('REPLAYED'));
    const forged = { sequence: 9n, ciphertext: randomBytes(64) };
    await assert.rejects(device.send(forged), failing('UNSEALABLE'));
    const next = device.seal(post);
    next.ciphertext[3] = (next.ciphertext[3] ?? 0) ^ 1;
    await assert.rejects(device.send(next), failing('UNSEALABLE'));
    await assert.rejects(device.exchange(post, new Uint8Array(1_114_113)), failing('INVALID_FIELD'));
    await assert.rejects(device.exchange(post, new Uint8Array(5 * MiB)), failing('TOO_LARGE'));
    await assert.rejects(device.exchange(post, new Uint8Array(MiB + 1)), failing('TOO_LARGE', false));
    assert.equal(requests.length, 1);
    await device.exchange(post, new Uint8Array(MiB));
    handle = (_, response) => response.end(new Uint8Array(MiB + 1));
    await assert.rejects(device.exchange(post), failing('TOO_LARGE', true));
  });

  it('streams 20 MiB there and back', async () => {
    const stream = device.stream();
    const body = randomBytes(20 * MiB);
    const request = stream.multiplexer.request(headOf(post));
    const sending = request.body.write(body).then(() => request.body.end());
    const answer = await request.response();
    const hash = createHash('sha256');
    for await (const piece of answer.body) hash.update(piece);
    await sending;
    assert.equal(hash.digest('hex'), createHash('sha256').update(body).digest('hex'));
    stream.end();
    await stream.over;
    await eventually('the request to be over', () => proxy.active === 0);
  });

  it('takes no more from a backend than a slow device takes', async () => {
    let sent = 0;
    let closed = false;
    handle = (request, response) => {
      response.on('close', () => {
        closed = true;
      });
      const more = (): void => {
        while (sent < 64 * MiB) {
          sent += 65_536;
          if (!response.write(new Uint8Array(65_536))) {
            response.once('drain', more);
            return;
          }
        }
        response.end();
      };
      request.resume();
      more();
    };
    const stream = device.stream();
    const request = stream.multiplexer.request(headOf({}));
    await request.body.end();
    const answer = await request.response();
    await settled(() => sent);
    assert.ok(sent < 4 * MiB, `${sent} bytes were taken for a device that reads nothing`);
    const first = await answer.body.next();
    assert.equal(first.done, false);
    request.reset(new SallyportError('CANCELLED'));
    await eventually('the backend to notice', () => closed && proxy.active === 0);
    stream.end();
    await stream.over;
  });

  it('takes no more from a device than a slow backend takes', async () => {
    let taken: IncomingMessage | undefined;
    handle = (request) => {
      taken = request;
    };
    const stream = device.stream();
    const request = stream.multiplexer.request(headOf({ method: 'PUT', path: '/slow' }));
    let sent = 0;
    const sending = (async () => {
      for (; sent < 20 * MiB; sent += 65_536) await request.body.write(new Uint8Array(65_536));
      await request.body.end();
    })();
    await eventually('the request', () => taken !== undefined);
    await settled(() => sent);
    assert.ok(sent < 2 * MiB, `${sent} bytes were taken for a backend that reads nothing`);
    handle = () => {};
    let received = 0;
    taken?.on('data', (piece: Buffer) => {
      received += piece.length;
    });
    await sending;
    await eventually('all of it', () => received === 20 * MiB);
    request.reset(new SallyportError('CANCELLED'));
    stream.end();
    await stream.over;
  });

  it('does not wait for ever for a device that takes, or sends, no more', async () => {
    await proxy.close();
    relay.close();
    config = { backends: { stallTimeout: 1000 } };
    await start();
    const stream = (await attach(relay, session)).stream();
    handle = (_, response) => void response.writeHead(200).write(new Uint8Array(MiB));
    const taking = stream.multiplexer.request(headOf({}));
    await taking.body.end();
    await taking.response();
    const sending = stream.multiplexer.request(headOf(post));
    await sending.body.write(Buffer.from('the beginning'));
    await assert.rejects(sending.body.write(new Uint8Array(MiB)).then(() => sending.response()));
    await eventually('both to be given up', () => proxy.active === 0);
    stream.end();
    await stream.over;
  });

  it('gives the answer of a backend that does not read the body', async () => {
    handle = (_, response) => {
      response.writeHead(413).end('enough');
    };
    const stream = device.stream();
    const request = stream.multiplexer.request(headOf(post));
    const sending = assert.rejects(request.body.write(new Uint8Array(4 * MiB)));
    const answer = await request.response();
    assert.equal(answer.head.status, 413);
    assert.equal(Buffer.from(await collectBody(answer.body, 100)).toString(), 'enough');
    await sending;
    await eventually('the request to be over', () => proxy.active === 0);
    stream.end();
    await stream.over;
  });

  it('says whether the backend may have acted', async () => {
    handle = (request) => request.socket.destroy();
    await assert.rejects(device.exchange(post), failing('BACKEND_FAILED', true));
    handle = (_, response) => response.writeHead(503, { 'x-sallyport-unprocessed': '1' }).end();
    await assert.rejects(device.exchange(post), failing('BACKEND_UNAVAILABLE', false));
    handle = (_, response) => response.writeHead(503, { 'x-sallyport-local-reply': '1' }).end('upstream');
    await assert.rejects(device.exchange(post), failing('BACKEND_FAILED', true));
    handle = (_, response) => response.writeHead(503).end('its own');
    assert.equal((await device.exchange(post)).head?.status, 503);
    handle = (_, response) => {
      response.writeHead(200, { 'content-length': '10' });
      response.write('half', () => response.destroy());
    };
    await assert.rejects(device.exchange(post), failing('BACKEND_FAILED', true));
    await assert.rejects(
      device.exchange({ ...post, headers: [{ name: 'content-length', value: '3' }] }, Buffer.from('four')),
      failing('REQUEST_INVALID', false),
    );
  });

  it('gives an attachment one stream', async () => {
    const first = device.stream();
    await ask(first, '/');
    const second = device.stream();
    assert.ok(failing('ATTACH_REQUIRED')(await second.over));
    await ask(first, '/');
    first.forge(99, randomBytes(32));
    assert.ok(failing('UNSEALABLE')(await first.over));
  });

  for (const kind of [RevocationKind.SESSION, RevocationKind.SHARED_KEY] as const) {
    it(`cuts exchange and stream when the session is revoked by ${RevocationKind[kind]}`, async () => {
      const other = await attach(relay, tier.session('grace'));
      const quiet = (await attach(relay, session)).stream();
      handle = () => {};
      const stream = device.stream();
      const request = stream.multiplexer.request(headOf(post));
      await request.body.end();
      const answers = [
        assert.rejects(request.response(), failing('SESSION_REVOKED')),
        assert.rejects(device.exchange(post), failing('SESSION_REVOKED')),
      ];
      await eventually('both requests', () => requests.length === 2);
      const position = tier.revoke(session, kind);
      await eventually('the acknowledgement', () => tier.acknowledged.includes(position));
      await Promise.all(answers);
      assert.ok(failing('SESSION_REVOKED')(await stream.over));
      assert.ok(failing('SESSION_REVOKED')(await quiet.over), 'a stream on which nobody spoke');
      await assert.rejects(device.exchange(post), failing('ATTACH_REQUIRED'));
      await assert.rejects(attach(relay, session), failing('SESSION_REVOKED'));
      await eventually('the requests to be over', () => proxy.active === 0);
      handle = (_, response) => response.end();
      assert.equal((await other.exchange(post)).head?.status, 200);
    });
  }

  it('relays nothing without a lease', async () => {
    tier.leaseMs = 400;
    device = await attach(relay, session);
    const stream = device.stream();
    await ask(stream, '/');
    handle = (_, response) => {
      response.writeHead(200).write('a piece');
    };
    const long = stream.multiplexer.request(headOf({}));
    await long.body.end();
    const { body } = await long.response();
    tier.fault = new SallyportError('UNAVAILABLE');
    await assert.rejects(async () => {
      for await (const piece of body) assert.ok(piece);
    }, failing('LEASE_LOST'));
    assert.ok(failing('LEASE_LOST')(await stream.over));
    const before = requests.length;
    const idle = await attach(relay, session);
    await systemClock.sleep(500);
    await assert.rejects(idle.exchange(post), failing('LEASE_LOST', false));
    assert.equal(requests.length, before);
    tier.fault = undefined;
    handle = (_, response) => response.end();
    await idle.exchange(post);
  });

  it('drains: what is under way ends well, and nothing new begins', async () => {
    let answer = (): void => {};
    handle = (_, response) => {
      response.writeHead(200).write('first ');
      answer = () => void response.end('last');
    };
    const stream = device.stream();
    const idle = (await attach(relay, session)).stream();
    const request = stream.multiplexer.request(headOf({}));
    await request.body.end();
    const { body } = await request.response();
    const whole = collectBody(body, 100);
    const closing = proxy.close();
    assert.ok(failing('ATTACH_REQUIRED')(await idle.over));
    await assert.rejects(ask(stream, '/'), failing('ATTACH_REQUIRED', false));
    assert.equal(proxy.health.isServing(), false);
    answer();
    assert.equal(Buffer.from(await whole).toString(), 'first last');
    assert.ok(failing('ATTACH_REQUIRED')(await stream.over));
    await closing;
    assert.equal(requests.length, 1);
  });

  it('ends, within its bound, also what does not end by itself', async () => {
    await proxy.close();
    relay.close();
    config = { drainTimeout: 200 };
    await start();
    device = await attach(relay, session);
    handle = () => {};
    const stream = device.stream();
    const request = stream.multiplexer.request(headOf({}));
    await request.body.end();
    const response = assert.rejects(request.response());
    await eventually('the request', () => requests.length === 1);
    await proxy.close();
    await response;
    await stream.over;
  });

  it('makes room for new attachments by forgetting those that were used longest ago', async () => {
    await proxy.close();
    relay.close();
    config = { limits: { maxAttachments: 3, maxPerSession: 2 } };
    await start();
    const first = await attach(relay, session);
    const stream = first.stream();
    const second = await attach(relay, session);
    await attach(relay, session);
    assert.ok(failing('ATTACH_REQUIRED')(await stream.over), 'the third of a session ends its oldest');
    const grace = await attach(relay, tier.session('grace'));
    await second.exchange(post);
    await attach(relay, tier.session('alan'));
    assert.equal(proxy.attachments, 3);
    await grace.exchange(post);
    await second.exchange(post);
    await assert.rejects(first.exchange(post), failing('ATTACH_REQUIRED'));
  });
});

/** A request whose answer is awaited whole. */
async function ask(stream: ReturnType<DeviceAttachment['stream']>, path: string): Promise<Uint8Array> {
  const request = stream.multiplexer.request(headOf({ path }));
  request.body.end().catch(() => undefined);
  return collectBody((await request.response()).body, MiB);
}

/** Waits until a number has not changed for ten looks: whoever waits by then waits for the other side. */
async function settled(read: () => number): Promise<void> {
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
