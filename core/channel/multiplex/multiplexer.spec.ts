import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { SallyportError } from '#core/errors/error.ts';
import { collectBody } from './incoming-body.ts';
import type { StreamMessage } from './messages.ts';
import { type IncomingRequest, Multiplexer } from './multiplexer.ts';
import { joined, pump, settle, Wire } from './wire.fake.ts';

const refused = (reason: string) => (thrown: unknown) =>
  thrown instanceof SallyportError && thrown.reason === reason;
const get = { method: 'GET', authority: 'intranet.example', path: '/', headers: [] };
const ok = { status: 200, headers: [] };
const bytes = (length: number, seed = 0) => Uint8Array.from({ length }, (_, i) => (i * 31 + seed) & 255);

async function echo(request: IncomingRequest): Promise<void> {
  const body = request.respond(ok);
  for await (const chunk of request.body) await body.write(chunk);
  await body.end();
}

describe('multiplexer', () => {
  it('delivers all bytes in order under any interleaving, and credit is never exceeded', async () => {
    const limits = { window: 64, maxData: 16 };
    const sizes = fc.array(fc.nat({ max: 150 }), { maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(
        fc.array(sizes, { minLength: 1, maxLength: 5 }),
        fc.infiniteStream(fc.boolean()),
        async (requests, coin) => {
          const { wire, device, proxy } = joined(echo, limits);
          wire.watchCredit(limits.window, limits.maxData);
          const calls = requests.map(async (writes, n) => {
            const request = device.request(get);
            const sent = writes.map((length, i) => bytes(length, n * 7 + i));
            const writing = (async () => {
              for (const chunk of sent) await request.body.write(chunk);
              await request.body.end();
            })();
            const { head, body } = await request.response();
            assert.equal(head.status, 200);
            const received = await collectBody(body, 100_000);
            await writing;
            assert.deepEqual(Buffer.from(received), Buffer.concat(sent));
          });
          let open = calls.length;
          const all = Promise.all(calls.map((call) => call.finally(() => open--)));
          for (let idle = 0; open > 0 && idle < 50; ) {
            const one = coin.next().value ? wire.toProxy : wire.toDevice;
            idle = one.deliver() ? 0 : idle + 1;
            if (coin.next().value) await settle();
          }
          await all;
          await pump(wire);
          assert.equal(device.active, 0);
          assert.equal(proxy.active, 0);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('a writer waits for credit, and a reader who reads gives it back', async () => {
    let reader: IncomingRequest | undefined;
    const { wire, device } = joined((request) => {
      reader = request;
      return new Promise(() => {});
    });
    const request = device.request(get);
    let written = false;
    const writing = request.body.write(bytes(300 * 1024)).then(() => {
      written = true;
    });
    await pump(wire);
    assert.equal(written, false);
    assert.equal(wire.toProxy.dataBytes, 256 * 1024);
    assert.ok(reader);
    for (let read = 0; read < 64 * 1024; ) read += (await reader.body.next()).value?.length ?? 0;
    await pump(wire);
    assert.equal(written, true);
    await writing;
  });

  it('writes that nobody waited for keep their order, and the end comes last', async () => {
    const { wire, device } = joined(echo, { window: 8, maxData: 4 });
    const request = device.request(get);
    const writes = [1, 2, 3].map((seed) => request.body.write(bytes(10, seed)));
    const all = Promise.all([...writes, request.body.end()]);
    const answer = request.response().then(({ body }) => collectBody(body, 100));
    await pump(wire);
    await all;
    assert.deepEqual(Buffer.from(await answer), Buffer.concat([1, 2, 3].map((seed) => bytes(10, seed))));
  });

  it('a body that can go on its way at once asks nobody to wait', async () => {
    const { wire, device } = joined(() => new Promise(() => {}));
    const request = device.request(get);
    assert.equal(request.body.offer(bytes(100 * 1024)), undefined);
    assert.equal(wire.toProxy.dataBytes, 100 * 1024);
    const rest = request.body.offer(bytes(200 * 1024));
    assert.equal(wire.toProxy.dataBytes, 256 * 1024);
    const last = request.body.offer(bytes(1));
    assert.ok(rest && last, 'the next one waits its turn');
    const refusals = [rest, last].map((each) => assert.rejects(each, refused('CANCELLED')));
    request.reset(new SallyportError('CANCELLED'));
    await Promise.all(refusals);
    await assert.rejects(async () => request.body.offer(bytes(1)), refused('CANCELLED'));
  });

  it('what has come whole is taken at once', async () => {
    const rests: (Uint8Array | undefined)[] = [];
    const { wire, device } = joined(async (request) => {
      rests.push(request.body.takeRest());
      await settle();
      rests.push(request.body.takeRest());
      await request.respond(ok).end();
    });
    const request = device.request(get);
    wire.toProxy.deliver();
    for (const seed of [1, 2]) await request.body.write(bytes(10, seed));
    await request.body.end();
    while (wire.toProxy.deliver());
    await pump(wire);
    assert.deepEqual(rests, [undefined, Uint8Array.from([...bytes(10, 1), ...bytes(10, 2)])]);
  });

  it('bodies wait while the transport is full', async () => {
    const { wire, device } = joined(() => new Promise(() => {}));
    const ready = wire.toProxy.fill();
    const request = device.request(get);
    const writing = request.body.write(bytes(10));
    await settle();
    assert.equal(wire.toProxy.dataBytes, 0);
    ready();
    await writing;
    assert.equal(wire.toProxy.dataBytes, 10);
  });

  it('a transport that takes nothing cannot pile messages up', async () => {
    const { wire, device } = joined(() => new Promise(() => {}), { maxBacklog: 10 });
    wire.toProxy.fill();
    for (let n = 0; n < 20 && !device.closed; n++) device.request(get).reset(new SallyportError('CANCELLED'));
    assert.equal(device.closed?.reason, 'OVERLOADED');
  });

  it('a broken transport fails everything', async () => {
    const wire = new Wire();
    const send = () => Promise.reject(new SallyportError('UNAVAILABLE'));
    const device = new Multiplexer({ role: 'device', send });
    const request = device.request(get);
    await assert.rejects(request.response(), refused('UNAVAILABLE'));
    await assert.rejects(request.body.write(bytes(1)), refused('UNAVAILABLE'));
    assert.throws(() => device.request(get), refused('UNAVAILABLE'));
    assert.equal(wire.toProxy.deliver(), false);
  });

  it('refuses more than 256 requests on either side', async () => {
    const { wire, device, proxy } = joined(() => new Promise(() => {}));
    const requests = Array.from({ length: 256 }, () => device.request(get));
    assert.throws(() => device.request(get), refused('OVERLOADED'));
    await pump(wire);
    // The device gives them up, but the handlers are still at work: begun-and-reset must not pile up.
    for (const request of requests) request.reset(new SallyportError('CANCELLED'));
    const late = device.request(get);
    const outcome = assert.rejects(late.response(), refused('OVERLOADED'));
    await pump(wire);
    await outcome;
    assert.equal(proxy.active, 256);
  });

  it('a reset ends both sides, with its reason', async () => {
    const seen: unknown[] = [];
    const { wire, device } = joined((request) => {
      request.onFailed((error) => seen.push(error));
      request.reset(
        new SallyportError('POLICY_DENIED', {
          message: 'no',
          retryAfterMs: 5,
          metadata: { maybeExecuted: 'true', requestId: 'r1' },
        }),
      );
      return Promise.resolve();
    });
    const request = device.request(get);
    const response = request.response();
    const outcome = assert.rejects(response, (thrown) => {
      assert.ok(thrown instanceof SallyportError);
      assert.equal(thrown.reason, 'POLICY_DENIED');
      assert.equal(thrown.message, 'no');
      assert.equal(thrown.retryAfterMs, 5);
      assert.deepEqual(thrown.metadata, { maybeExecuted: 'true', requestId: 'r1' });
      return true;
    });
    await pump(wire);
    await outcome;
    await assert.rejects(request.body.write(bytes(1)), refused('POLICY_DENIED'));
    assert.equal(seen.length, 1);
  });

  it('a handler that fails or stops half-way resets the request', async () => {
    const handlers = [
      async () => {
        throw new SallyportError('BACKEND_FAILED');
      },
      async (request: IncomingRequest) => {
        await request.respond(ok).write(bytes(3));
      },
    ];
    for (const [n, reason] of (['BACKEND_FAILED', 'INTERNAL'] as const).entries()) {
      const { wire, device } = joined(handlers[n] ?? echo);
      const request = device.request(get);
      const outcome = assert.rejects(async () => {
        const { body } = await request.response();
        await collectBody(body, 100);
      }, refused(reason));
      await pump(wire);
      await outcome;
    }
  });

  it('an answer before the end of the request is whole; only the rest of the request is refused', async () => {
    const { wire, device, proxy } = joined(async (request) => {
      const body = request.respond({ status: 413, headers: [] });
      await body.write(bytes(5));
      await body.end();
    });
    const request = device.request(get);
    await pump(wire);
    const { head, body } = await request.response();
    assert.equal(head.status, 413);
    assert.equal((await collectBody(body, 10)).length, 5);
    await assert.rejects(request.body.write(bytes(1)), refused('CANCELLED'));
    assert.equal(device.active + proxy.active, 0);
  });

  it('leaving a body early gives the request up', async () => {
    const { wire, device, proxy } = joined(async (request) => {
      const body = request.respond(ok);
      for (;;) await body.write(bytes(1000));
    });
    const request = device.request(get);
    await pump(wire);
    const { body } = await request.response();
    for await (const _ of body) break;
    await pump(wire);
    assert.equal(device.active + proxy.active, 0);
    await assert.rejects(collectBody(body, 1), refused('CANCELLED'));
  });

  it('what arrived before the stream broke can still be read', async () => {
    const { wire, device } = joined(async (request) => {
      await request.respond(ok).write(bytes(100));
      await new Promise(() => {});
    });
    const request = device.request(get);
    await pump(wire);
    const { body } = await request.response();
    device.close(new SallyportError('STREAM_CUT'));
    assert.equal((await body.next()).value?.length, 100);
    await assert.rejects(body.next(), refused('STREAM_CUT'));
  });

  it('a draining proxy finishes what it has and refuses the rest', async () => {
    const { wire, device, proxy } = joined(echo);
    const first = device.request(get);
    await pump(wire);
    proxy.refuseNew(new SallyportError('ATTACH_REQUIRED'));
    const second = device.request(get);
    const outcome = assert.rejects(second.response(), refused('ATTACH_REQUIRED'));
    await first.body.end();
    await pump(wire);
    await outcome;
    assert.equal((await first.response()).head.status, 200);
  });

  it('a proxy that asks to be left takes requests until it drains', async () => {
    const { wire, device, proxy } = joined(echo);
    proxy.askToLeave(new SallyportError('EDGE_LEAVING'));
    const first = device.request(get);
    await first.body.end();
    await pump(wire);
    assert.equal((await first.response()).head.status, 200);
    proxy.refuseNew(new SallyportError('EDGE_LEAVING'));
    const second = assert.rejects(device.request(get).response(), refused('EDGE_LEAVING'));
    await pump(wire);
    await second;
  });

  it('a draining proxy tells the device once, by a reset of request 0', async () => {
    const told: string[] = [];
    const sent: StreamMessage[] = [];
    const device = new Multiplexer({
      role: 'device',
      send: () => undefined,
      onDrain: ({ reason }) => told.push(reason),
    });
    const proxy = new Multiplexer({
      role: 'proxy',
      onRequest: async () => {},
      send: (message) => {
        sent.push(message);
        return undefined;
      },
    });
    proxy.askToLeave(new SallyportError('EDGE_LEAVING'));
    proxy.refuseNew(new SallyportError('ATTACH_REQUIRED'));
    for (const message of sent) device.receive(message);
    assert.deepEqual(told, ['EDGE_LEAVING']);
    assert.equal(device.closed, undefined);
  });
});
