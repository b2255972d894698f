import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { collectBody } from '#core/channel/multiplex/incoming-body.ts';
import { SallyportError } from '#core/errors/error.ts';
import { RevocationKind } from '#gen/sallyport/authorize/v1/proxy_authorize_pb.js';
import { systemClock } from '#kernel/time/system-clock.ts';
import type { FakeSession } from '#services/proxy/test/fake-tier.ts';
import { type DeviceAttachment, headOf } from '#services/proxy/test/raw-device.ts';
import {
  ask,
  eventually,
  failing,
  MiB,
  type ProxyStand,
  startProxyStand,
} from '#services/proxy/test/stand.ts';

const post = { method: 'POST', path: '/echo' };

/** Between stand-ins for security tier, device and backend; no Envoy. */
describe('a proxy', function () {
  this.timeout(60_000);
  let stand: ProxyStand;
  let session: FakeSession;
  let device: DeviceAttachment;

  const start = async (config?: Record<string, unknown>): Promise<void> => {
    stand = await startProxyStand(config);
    session = stand.session('ada');
    device = await stand.attach(session);
  };
  const restart = async (config: Record<string, unknown>): Promise<void> => {
    await stand.close();
    await start(config);
  };
  beforeEach(() => start());
  afterEach(() => stand.close());

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
    const [request] = stand.requests;
    assert.equal(request?.headers['x-sallyport-assertion'], 'jwt of ada');
    assert.equal(request?.headers['x-sallyport-authority'], 'intranet.example');
    assert.equal(request?.headers['x-forwarded-for'], '203.0.113.7');
    assert.equal(stand.tier.asked[0]?.request?.clientAddress, '203.0.113.7');
    await device.exchange(post);
    assert.equal(stand.tier.asked.length, 1, 'the second was decided here');
  });

  it('refuses what policy here, or the tier, denies', async () => {
    await assert.rejects(device.exchange({ path: '/closed/x' }), failing('POLICY_DENIED', false));
    assert.equal(stand.tier.asked.length, 0);
    stand.tier.deny = true;
    await assert.rejects(device.exchange({ path: '/' }), failing('POLICY_DENIED', false));
    await assert.rejects(device.exchange({ authority: 'other.example' }), failing('RESOURCE_UNKNOWN', false));
    assert.equal(stand.requests.length, 0);
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
    assert.equal(stand.requests.length, 1);
    await device.exchange(post, new Uint8Array(MiB));
    stand.handle = (_, response) => response.end(new Uint8Array(MiB + 1));
    await assert.rejects(device.exchange(post), failing('TOO_LARGE', true));
  });

  it('says whether the backend may have acted', async () => {
    stand.handle = (request) => request.socket.destroy();
    await assert.rejects(device.exchange(post), failing('BACKEND_FAILED', true));
    stand.handle = (_, response) => response.writeHead(503, { 'x-sallyport-unprocessed': '1' }).end();
    await assert.rejects(device.exchange(post), failing('BACKEND_UNAVAILABLE', false));
    stand.handle = (_, response) =>
      response.writeHead(503, { 'x-sallyport-local-reply': '1' }).end('upstream');
    await assert.rejects(device.exchange(post), failing('BACKEND_FAILED', true));
    stand.handle = (_, response) => response.writeHead(503).end('its own');
    assert.equal((await device.exchange(post)).head?.status, 503);
    stand.handle = (_, response) => {
      response.writeHead(200, { 'content-length': '10' });
      response.write('half', () => response.destroy());
    };
    await assert.rejects(device.exchange(post), failing('BACKEND_FAILED', true));
    await assert.rejects(
      device.exchange({ ...post, headers: [{ name: 'content-length', value: '3' }] }, Buffer.from('four')),
      failing('REQUEST_INVALID', false),
    );
  });

  for (const kind of [RevocationKind.SESSION, RevocationKind.SHARED_KEY] as const) {
    it(`cuts exchange and stream when the session is revoked by ${RevocationKind[kind]}`, async () => {
      const other = await stand.attach(stand.session('grace'));
      const quiet = (await stand.attach(session)).stream();
      stand.handle = () => {};
      const stream = device.stream();
      const request = stream.multiplexer.request(headOf(post));
      await request.body.end();
      const answers = [
        assert.rejects(request.response(), failing('SESSION_REVOKED')),
        assert.rejects(device.exchange(post), failing('SESSION_REVOKED')),
      ];
      await eventually('both requests', () => stand.requests.length === 2);
      const position = stand.tier.revoke(session, kind);
      await eventually('the acknowledgement', () => stand.tier.acknowledged.includes(position));
      await Promise.all(answers);
      assert.ok(failing('SESSION_REVOKED')(await stream.over));
      assert.ok(failing('SESSION_REVOKED')(await quiet.over), 'a stream on which nobody spoke');
      await assert.rejects(device.exchange(post), failing('ATTACH_REQUIRED'));
      await assert.rejects(stand.attach(session), failing('SESSION_REVOKED'));
      await eventually('the requests to be over', () => stand.proxy.active === 0);
      stand.handle = (_, response) => response.end();
      assert.equal((await other.exchange(post)).head?.status, 200);
    });
  }

  it('relays nothing without a lease', async () => {
    stand.tier.leaseMs = 1500;
    device = await stand.attach(session);
    const stream = device.stream();
    await ask(stream, '/');
    stand.handle = (_, response) => {
      response.writeHead(200).write('a piece');
    };
    const long = stream.multiplexer.request(headOf({}));
    await long.body.end();
    const { body } = await long.response();
    stand.tier.fault = new SallyportError('UNAVAILABLE');
    await assert.rejects(async () => {
      for await (const piece of body) assert.ok(piece);
    }, failing('LEASE_LOST'));
    const before = stand.requests.length;
    const refused = stream.multiplexer.request(headOf(post));
    await refused.body.end();
    await assert.rejects(refused.response(), failing('LEASE_LOST', false));
    const idle = await stand.attach(session);
    await systemClock.sleep(1600);
    await assert.rejects(idle.exchange(post), failing('LEASE_LOST', false));
    assert.equal(stand.requests.length, before);
    stand.tier.fault = undefined;
    stand.handle = (_, response) => response.end();
    await idle.exchange(post);
    await ask(stream, '/');
  });

  it('renews on the stream of the pod that gave the lease; what it does not answer is asked by route', async () => {
    const { tier } = stand;
    tier.leaseMs = 2000;
    device = await stand.attach(session);
    const again = async (what: string, done: () => boolean): Promise<void> => {
      await eventually(what, async () => {
        await device.exchange(post);
        return done();
      });
    };
    await again('streamed renewals', () => tier.streamed.length >= 2);
    const before = tier.asked.length;
    assert.ok(before > 0, 'the first question opened the stream and went by route');
    tier.moved = true;
    await again('renewals by route', () => tier.asked.length > before);
    tier.moved = false;
    tier.breakStreams();
    const streamed = tier.streamed.length;
    await again('a stream anew', () => tier.streamed.length > streamed);
    assert.equal(tier.streamed[0]?.request?.clientAddress, '203.0.113.7');
    tier.leaseMs = 5000;
    device = await stand.attach(session);
    stand.handle = () => {};
    const revoked = assert.rejects(device.exchange(post), failing('SESSION_REVOKED'));
    await eventually('the request', () => stand.proxy.active === 1);
    tier.fault = new SallyportError('SESSION_REVOKED');
    await revoked;
  });

  it('drains: what is under way ends well, and nothing new begins', async () => {
    let answer = (): void => {};
    stand.handle = (_, response) => {
      response.writeHead(200).write('first ');
      answer = () => void response.end('last');
    };
    const stream = device.stream();
    const idle = (await stand.attach(session)).stream();
    const request = stream.multiplexer.request(headOf({}));
    await request.body.end();
    const { body } = await request.response();
    const whole = collectBody(body, 100);
    const closing = stand.proxy.close();
    assert.ok(failing('ATTACH_REQUIRED')(await idle.over));
    await assert.rejects(ask(stream, '/'), failing('ATTACH_REQUIRED', false));
    assert.equal(stand.proxy.health.isServing(), false);
    answer();
    assert.equal(Buffer.from(await whole).toString(), 'first last');
    assert.ok(failing('ATTACH_REQUIRED')(await stream.over));
    await closing;
    assert.equal(stand.requests.length, 1);
  });

  it('takes requests of a device that it has asked to leave, for some seconds, and no longer', async () => {
    const stream = device.stream();
    await ask(stream, '/');
    stand.proxy.reconfigure({
      securityPods: ['sec-0'],
      leaving: ['edge-0'],
      dialingGateways: [],
      drainedGateways: [],
    });
    await ask(stream, '/');
    const over = Date.now() + 20_000;
    for (;;) {
      try {
        await ask(stream, '/');
      } catch (error) {
        assert.ok(failing('EDGE_LEAVING', false)(error));
        break;
      }
      assert.ok(Date.now() < over, 'it takes them without end');
    }
    assert.ok(failing('EDGE_LEAVING')(await stream.over));
  });

  it('ends, within its bound, also what does not end by itself', async () => {
    await restart({ drainTimeout: 200 });
    device = await stand.attach(session);
    stand.handle = () => {};
    const stream = device.stream();
    const request = stream.multiplexer.request(headOf({}));
    await request.body.end();
    const response = assert.rejects(request.response());
    await eventually('the request', () => stand.requests.length === 1);
    await stand.proxy.close();
    await response;
    await stream.over;
  });

  it('makes room for new attachments by forgetting those that were used longest ago', async () => {
    await restart({ limits: { maxAttachments: 3, maxPerSession: 2 } });
    const first = await stand.attach(session);
    const stream = first.stream();
    const second = await stand.attach(session);
    await stand.attach(session);
    assert.ok(failing('ATTACH_REQUIRED')(await stream.over), 'the third of a session ends its oldest');
    const grace = await stand.attach(stand.session('grace'));
    await second.exchange(post);
    await stand.attach(stand.session('alan'));
    assert.equal(stand.proxy.attachments, 3);
    await grace.exchange(post);
    await second.exchange(post);
    await assert.rejects(first.exchange(post), failing('ATTACH_REQUIRED'));
  });

  it('gives up streams that were opened by nobody, not those of devices', async () => {
    const call = { headers: { 'x-sallyport-route': 'nobody' } };
    const silent = Array.from({ length: 300 }, () => stand.relay.stream(call));
    const ends = silent.map(async ({ responses }) => {
      for await (const _ of responses) assert.fail('it was answered');
    });
    await assert.rejects(Promise.race(ends), failing('DEADLINE'));
    assert.ok(await ask(device.stream(), '/'));
    for (const each of silent) each.cancel();
    await Promise.allSettled(ends);
  });
});
