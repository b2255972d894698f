import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { collectBody } from '#core/channel/multiplex/incoming-body.ts';
import { SallyportError } from '#core/errors/error.ts';
import type { FakeSession } from '#services/proxy/test/fake-tier.ts';
import { type DeviceAttachment, headOf } from '#services/proxy/test/raw-device.ts';
import {
  ask,
  eventually,
  failing,
  MiB,
  type ProxyStand,
  settled,
  startProxyStand,
} from '#services/proxy/test/stand.ts';

const post = { method: 'POST', path: '/echo' };

/** Bodies of any length, both ways, through a proxy between stand-ins; no Envoy. */
describe('streams through a proxy', function () {
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
    await eventually('the request to be over', () => stand.proxy.active === 0);
  });

  it('takes no more from a backend than a slow device takes', async () => {
    let sent = 0;
    let closed = false;
    stand.handle = (request, response) => {
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
    await eventually('the backend to notice', () => closed && stand.proxy.active === 0);
    stream.end();
    await stream.over;
  });

  it('takes no more from a device than a slow backend takes', async () => {
    let taken: IncomingMessage | undefined;
    stand.handle = (request) => {
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
    stand.handle = () => {};
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
    await restart({ backends: { stallTimeout: 1000 } });
    const stream = (await stand.attach(session)).stream();
    stand.handle = (_, response) => void response.writeHead(200).write(new Uint8Array(MiB));
    const taking = stream.multiplexer.request(headOf({}));
    await taking.body.end();
    await taking.response();
    const sending = stream.multiplexer.request(headOf(post));
    await sending.body.write(Buffer.from('the beginning'));
    await assert.rejects(sending.body.write(new Uint8Array(MiB)).then(() => sending.response()));
    await eventually('both to be given up', () => stand.proxy.active === 0);
    stream.end();
    await stream.over;
  });

  it('gives the answer of a backend that does not read the body', async () => {
    stand.handle = (_, response) => {
      response.writeHead(413).end('enough');
    };
    const stream = device.stream();
    const request = stream.multiplexer.request(headOf(post));
    const sending = assert.rejects(request.body.write(new Uint8Array(4 * MiB)));
    const answer = await request.response();
    assert.equal(answer.head.status, 413);
    assert.equal(Buffer.from(await collectBody(answer.body, 100)).toString(), 'enough');
    await sending;
    await eventually('the request to be over', () => stand.proxy.active === 0);
    stream.end();
    await stream.over;
  });

  it('puts a short answer into one frame, and one message into a frame for a device of before', async () => {
    for (const [batches, frames] of [
      [true, [3]],
      [false, [1, 1, 1]],
    ] as const) {
      const stream = (await stand.attach(session)).stream({ batches });
      const request = stream.multiplexer.request(headOf(post));
      await request.body.write(Buffer.from('short'));
      await request.body.end();
      const { body } = await request.response();
      assert.equal(Buffer.from(await collectBody(body, 100)).toString(), 'short');
      assert.deepEqual(stream.received, frames);
      stream.end();
      await stream.over;
    }
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
});
