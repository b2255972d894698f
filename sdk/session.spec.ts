import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { SallyportError } from '../core/errors/error.ts';
import { lastWordMs, probeTimeoutMs, provenForMs } from './probe.ts';
import type { Session } from './session.ts';
import type { Backend } from './test/fake-proxy.ts';
import { answer, gate, opened, platform, reasonIs, until } from './test/opened.ts';

/** Counts what was executed, by method and path. */
function counting(backend: Backend): { executed: string[]; backend: Backend } {
  const executed: string[] = [];
  return {
    executed,
    backend: (head, body) => {
      executed.push(`${head.method} ${head.path}`);
      return backend(head, body);
    },
  };
}

const echo: Backend = async (head, body) => {
  let length = 0;
  for await (const chunk of body) length += chunk.length;
  return answer(200, `${head.method} ${head.path} ${length}`, { 'x-authority': head.authority });
};

/** Fails so many times, then echoes. */
function failing(times: number, error: () => SallyportError): Backend {
  let left = times;
  return (head, body) => (left-- > 0 ? Promise.reject(error()) : echo(head, body));
}

for (const carrier of ['stream', 'exchange'] as const) {
  const streams = carrier === 'stream';

  describe(`Session over ${carrier}`, () => {
    it('fetches', async () => {
      const { session, events } = await opened(echo, streams);
      const response = await session.fetch('/a?b=c', { method: 'POST', body: 'four' });
      assert.equal(await response.text(), 'POST /a?b=c 4');
      assert.equal(response.headers.get('x-authority'), 'intranet.example');
      assert.equal(response.proxy, 'proxy-0');
      // Era, incarnation and counter of the fake tier.
      const epoch = '00000001000000010000000000000001';
      assert.deepEqual(events.slice(0, 2), [
        { type: 'attaching' },
        { type: 'attached', proxy: 'proxy-0', epoch, edge: 'https://edge-0', carrier },
      ]);
    });

    if (streams) {
      it('sends a short request in one frame, and one message a frame to a proxy of before', async () => {
        for (const [batches, frames] of [
          [true, 1],
          [false, 3],
        ] as const) {
          const { mesh, session } = await opened(echo, streams);
          mesh.proxy.batches = batches;
          const response = await session.fetch('/', { method: 'POST', body: 'four' });
          assert.equal(await response.text(), 'POST / 4');
          // The first request of a link is its proof that the proxy is there.
          const { messages } = mesh.proxy;
          const before = mesh.proxy.frames;
          await (await session.fetch('/', { method: 'POST', body: 'four' })).text();
          assert.deepEqual([mesh.proxy.frames - before, mesh.proxy.messages - messages], [frames, 3]);
        }
      });
    }

    it('does not notice that a proxy dies between requests, nor does a POST', async () => {
      const { executed, backend } = counting(echo);
      const { mesh, session } = await opened(backend, streams);
      await (await session.fetch('/1')).text();
      mesh.failOver();
      assert.equal((await session.fetch('/2')).proxy, 'proxy-1');
      mesh.failOver();
      const post = (): Promise<unknown> => session.fetch('/3', { method: 'POST', body: 'x' });
      if (streams) {
        await until(() => session.state === 'detached');
        await post();
        assert.deepEqual(executed, ['GET /1', 'GET /2', 'POST /3']);
      } else {
        // One call each: that the frame was not taken is told in clear only, which is no proof.
        await assert.rejects(post(), reasonIs('UNKNOWN_OUTCOME'));
        assert.deepEqual(executed, ['GET /1', 'GET /2']);
      }
    });

    it('sends a GET again when the proxy dies under it', async () => {
      const { passed: arrived, open: arrive } = gate();
      let first = true;
      const { mesh, session, events } = await opened((head, body) => {
        if (!first) return echo(head, body);
        first = false;
        arrive();
        return new Promise(() => {});
      }, streams);
      const fetching = session.fetch('/');
      await arrived;
      mesh.failOver();
      assert.equal((await fetching).proxy, 'proxy-1');
      assert.ok(events.some(({ type }) => type === 'repeating'));
    });

    it('does not send a POST again that was in flight, and says which', async () => {
      const { passed: arrived, open: arrive } = gate();
      const { executed, backend } = counting(() => {
        arrive();
        return new Promise(() => {});
      });
      const { mesh, session } = await opened(backend, streams);
      const fetching = session.fetch('/pay', { method: 'POST', body: '1' });
      await arrived;
      mesh.failOver();
      await assert.rejects(fetching, (error: unknown) => {
        assert.ok(error instanceof SallyportError);
        assert.equal(error.reason, 'UNKNOWN_OUTCOME');
        assert.match(error.metadata.requestId ?? '', /^[\w-]{22}$/);
        return true;
      });
      assert.deepEqual(executed, ['POST /pay']);
    });

    it('sends a POST with an Idempotency-Key again', async () => {
      const { executed, backend } = counting(
        failing(1, () => new SallyportError('BACKEND_FAILED', { metadata: { maybeExecuted: 'true' } })),
      );
      const { session } = await opened(backend, streams);
      await session.fetch('/pay', { method: 'POST', body: '1', idempotencyKey: 'k' });
      assert.deepEqual(executed, ['POST /pay', 'POST /pay']);
    });

    it('sends a POST again that was refused behind the seal, with its body', async () => {
      const refusals = failing(2, () => new SallyportError('BACKEND_UNAVAILABLE', { retryAfterMs: 5 }));
      const { session } = await opened(refusals, streams);
      const response = await session.fetch('/pay', { method: 'POST', body: 'twelve bytes' });
      assert.equal(await response.text(), 'POST /pay 12');
    });

    it('does not send a POST again that a backend may have carried out', async () => {
      const { executed, backend } = counting(
        failing(1, () => new SallyportError('BACKEND_FAILED', { metadata: { maybeExecuted: 'true' } })),
      );
      const { session } = await opened(backend, streams);
      await assert.rejects(session.fetch('/pay', { method: 'POST' }), reasonIs('UNKNOWN_OUTCOME'));
      assert.equal(executed.length, 1);
    });

    it('tells refusals for good at once', async () => {
      const { executed, backend } = counting(failing(1, () => new SallyportError('POLICY_DENIED')));
      const { session } = await opened(backend, streams);
      await assert.rejects(session.fetch('/'), reasonIs('POLICY_DENIED'));
      assert.equal(executed.length, 1);
    });

    it('changes the edge when one dies, under requests too', async () => {
      const { passed: arrived, open: arrive } = gate();
      let first = true;
      const { mesh, session } = await opened((head, body) => {
        if (!first) return echo(head, body);
        first = false;
        arrive();
        return new Promise(() => {});
      }, streams);
      const fetching = session.fetch('/');
      await arrived;
      mesh.edge('https://edge-0').kill();
      assert.equal(await (await fetching).text(), 'GET / 0');
      mesh.edge('https://edge-0').down = false;
      mesh.edge('https://edge-1').kill();
      assert.equal(await (await session.fetch('/')).text(), 'GET / 0');
    });

    it('lets many requests that wait share one attach', async () => {
      const { mesh, session } = await opened(echo, streams);
      const fetchAll = () =>
        Promise.all(Array.from({ length: 40 }, async (_, at) => (await session.fetch(`/${at}`)).text()));
      assert.equal((await fetchAll()).length, 40);
      mesh.failOver();
      const texts = await fetchAll();
      assert.deepEqual(
        texts,
        Array.from({ length: 40 }, (_, at) => `GET /${at} 0`),
      );
      assert.deepEqual(
        mesh.proxies.map(({ attaches }) => attaches),
        [1, 1],
      );
    });

    it('attaches again when a proxy has forgotten it', async () => {
      const { mesh, session } = await opened(echo, streams);
      await session.attach();
      mesh.proxy.restart();
      assert.equal((await session.fetch('/')).status, 200);
      assert.equal(mesh.proxy.attaches, 2);
    });

    it('goes through another edge when a proxy goes on having no lease', async () => {
      let attaches = (): number => 0;
      const { mesh, session, events } = await opened((head, body) => {
        if (attaches() < 2) throw new SallyportError('LEASE_LOST');
        return echo(head, body);
      }, streams);
      attaches = () => mesh.proxy.attaches;
      assert.equal((await session.fetch('/')).status, 200);
      const attached = events.flatMap((event) => (event.type === 'attached' ? [event.edge] : []));
      assert.deepEqual(attached, ['https://edge-0', 'https://edge-1']);
    });

    it('goes on with a proxy that has a lease again before another is found', async () => {
      const { mesh, session, events } = await opened(
        failing(3, () => new SallyportError('LEASE_LOST')),
        streams,
      );
      await session.attach();
      mesh.loseAnswers.set('attach', 1000);
      assert.equal((await session.fetch('/')).status, 200);
      assert.equal((await session.fetch('/')).status, 200);
      mesh.loseAnswers.set('attach', 0);
      assert.equal(session.state, 'attached');
      assert.equal(events.filter(({ type }) => type === 'attached').length, 1);
      mesh.failOver();
      assert.equal((await session.fetch('/')).status, 200);
    });

    it('stays with a proxy that lacked a lease for a moment', async () => {
      const { session, events } = await opened(
        failing(1, () => new SallyportError('LEASE_LOST')),
        streams,
      );
      assert.equal((await session.fetch('/')).status, 200);
      assert.equal(events.filter(({ type }) => type === 'attached').length, 1);
    });

    it('ends with the session', async () => {
      const { mesh, session } = await opened(echo, streams);
      await session.fetch('/');
      const held = mesh.tier.sessions.get(session.id);
      assert.ok(held);
      held.ended = new SallyportError('SESSION_REVOKED');
      mesh.failOver();
      await assert.rejects(session.fetch('/'), reasonIs('SESSION_REVOKED'));
      assert.equal(session.state, 'ended');
      await assert.rejects(session.fetch('/'), reasonIs('SESSION_REVOKED'));
    });

    it('keeps to the deadline and says what stood in the way', async () => {
      const { mesh, session } = await opened(echo, streams);
      for (const url of mesh.urls) mesh.edge(url).kill();
      await assert.rejects(session.fetch('/', { timeoutMs: 150 }), reasonIs('UNAVAILABLE'));
    });

    it('gives a request up with its signal', async () => {
      const { passed: arrived, open: arrive } = gate();
      const { session } = await opened(() => {
        arrive();
        return new Promise(() => {});
      }, streams);
      const stop = new AbortController();
      const fetching = session.fetch('/', { signal: stop.signal });
      await arrived;
      stop.abort();
      await assert.rejects(fetching, reasonIs('CANCELLED'));
    });

    it('tells UNKNOWN_OUTCOME when the deadline comes over a POST', async () => {
      const { session } = await opened(() => new Promise(() => {}), streams);
      const fetching = session.fetch('/', { method: 'POST', timeoutMs: 100 });
      await assert.rejects(fetching, reasonIs('UNKNOWN_OUTCOME'));
      await assert.rejects(session.fetch('/', { timeoutMs: 100 }), reasonIs('DEADLINE'));
    });

    it('renews and closes, also when answers are lost', async () => {
      const { mesh, session } = await opened(echo, streams);
      const before = session.expiresAtMs;
      mesh.loseAnswers.set('renewSession', 1);
      await session.renew();
      assert.ok(session.expiresAtMs > before);
      mesh.loseAnswers.set('closeSession', 1);
      await session.close();
      assert.equal(mesh.tier.sessions.get(session.id)?.ended?.reason, 'SESSION_REVOKED');
      await assert.rejects(session.fetch('/'), reasonIs('SESSION_REVOKED'));
    });

    it('refuses what is no request', async () => {
      const { session } = await opened(echo, streams);
      await assert.rejects(session.fetch('ftp://x/'), reasonIs('REQUEST_INVALID'));
      await assert.rejects(session.fetch('/', { headers: { 'a b': 'c' } }), reasonIs('REQUEST_INVALID'));
    });
  });
}

describe('Session, where the carriers differ', () => {
  it('does not believe an edge that says, in clear, that a POST was not taken', async () => {
    const { executed, backend } = counting(echo);
    const { mesh, session } = await opened(backend, false);
    mesh.replaceAnswers.set('exchange', new SallyportError('ATTACH_REQUIRED'));
    await assert.rejects(session.fetch('/pay', { method: 'POST' }), reasonIs('UNKNOWN_OUTCOME'));
    assert.deepEqual(executed, ['POST /pay']);
  });

  it('moves to another proxy when one drains, and lets what goes on there finish', async () => {
    const { passed: finish, open: letFinish } = gate();
    const { mesh, session } = await opened(async (head, body) => {
      if (head.path === '/slow') await finish;
      return echo(head, body);
    }, true);
    await session.fetch('/');
    const slow = session.fetch('/slow', { method: 'POST' });
    await session.fetch('/');
    mesh.proxy.drain();
    mesh.routed = 1;
    assert.equal((await session.fetch('/next', { method: 'POST' })).proxy, 'proxy-1');
    letFinish();
    assert.equal((await slow).proxy, 'proxy-0');
  });

  describe('a proxy that asks to be left', () => {
    /** A device of the first proxy, which has asked it to leave; the second takes nobody yet. */
    const asked = async () => {
      const { mesh, session } = await opened(echo, true);
      await session.fetch('/');
      const [first, second] = mesh.proxies;
      assert.ok(first && second);
      second.draining = true;
      mesh.routed = 1;
      first.askToLeave();
      return { session, first, second };
    };
    const goesTo = async (session: Session, proxy: string): Promise<void> => {
      let last = '';
      for (let n = 0; n < 1000 && last !== proxy; n += 1) {
        ({ proxy: last } = await session.fetch('/'));
        await platform.sleep(5);
      }
      assert.equal(last, proxy);
    };

    it('is used until there is another', async () => {
      const { session, second } = await asked();
      for (let n = 0; n < 5; n += 1)
        assert.equal((await session.fetch('/', { method: 'POST' })).proxy, 'proxy-0');
      second.draining = false;
      await goesTo(session, 'proxy-1');
    });

    it('may die while the next one is sought', async () => {
      const { session, first, second } = await asked();
      await session.fetch('/');
      first.restart();
      const answer = session.fetch('/');
      second.draining = false;
      assert.equal((await answer).proxy, 'proxy-1');
    });

    it('may refuse while the next one is sought', async () => {
      const { session, first, second } = await asked();
      await session.fetch('/');
      first.drain();
      const answer = session.fetch('/', { method: 'POST' });
      second.draining = false;
      assert.equal((await answer).proxy, 'proxy-1');
    });
  });

  describe('a proxy that gives no sign of life', () => {
    /** Two POSTs and a GET over a link whose proxy stands still after the first two have begun. */
    const frozen = async () => {
      const [began, finish, thaw, probe, lastWord] = [gate(), gate(), gate(), gate(), gate()];
      let skipped = 0;
      let probes = 0;
      const { executed, backend } = counting(async (head, body) => {
        const held = head.path === '/pay' || (head.path === '/page' && executed.length < 4);
        if (executed.length === 3) began.open();
        if (held) await finish.passed;
        return echo(head, body);
      });
      const { mesh, session } = await opened(backend, true, {
        monotonic: () => platform.monotonic() + skipped,
        sleep: (ms, signal) => {
          // The other proxy answers its probe.
          if (ms === probeTimeoutMs && skipped > 0 && probes++ === 0) return probe.passed;
          return ms === lastWordMs ? lastWord.passed : platform.sleep(ms, signal);
        },
      });
      await session.fetch('/');
      const pay = session.fetch('/pay', { method: 'POST', body: '1' });
      const page = session.fetch('/page');
      await began.passed;
      mesh.proxy.frozen = thaw.passed;
      mesh.routed = 1;
      skipped = provenForMs;
      const other = session.fetch('/other', { method: 'POST', body: '2' });
      probe.open();
      // What nobody has begun, and what may be done twice, is done by another proxy.
      assert.equal((await other).proxy, 'proxy-1');
      assert.equal((await page).proxy, 'proxy-1');
      return { pay, executed, finish, thaw, lastWord };
    };
    const all = ['GET /', 'POST /pay', 'GET /page', 'GET /page', 'POST /other'];

    it('is waited for by a POST that it may have begun', async () => {
      const { pay, executed, finish, thaw } = await frozen();
      finish.open();
      thaw.open();
      assert.equal((await pay).proxy, 'proxy-0');
      assert.deepEqual(executed.toSorted(), all.toSorted());
    });

    it('is not waited for without end', async () => {
      const { pay, executed, lastWord } = await frozen();
      lastWord.open();
      await assert.rejects(pay, reasonIs('UNKNOWN_OUTCOME'));
      assert.deepEqual(executed.toSorted(), all.toSorted());
    });
  });

  it('has a body of more than 1 MiB refused without streams', async () => {
    const { session } = await opened(echo, false);
    const body = new Uint8Array(1_048_577);
    await assert.rejects(session.fetch('/', { method: 'PUT', body }), reasonIs('TOO_LARGE'));
  });

  it('sends and receives long bodies over the stream', async () => {
    const size = 3_000_000;
    const { session } = await opened(
      async (_head, body) => ({ head: { status: 200, headers: [] }, body }),
      true,
    );
    const sent = Uint8Array.from({ length: size }, (_, at) => at % 251);
    const parts = async function* () {
      for (let at = 0; at < size; at += 100_000) yield sent.subarray(at, at + 100_000);
    };
    const response = await session.fetch('/', { method: 'PUT', body: parts() });
    assert.deepEqual(Buffer.from(await response.bytes()).equals(Buffer.from(sent)), true);
  });

  it('takes a request that the proxy cancels for one that was under way', async () => {
    const cancelled = () => failing(1, () => new SallyportError('CANCELLED'));
    const post = await opened(cancelled(), true);
    await assert.rejects(post.session.fetch('/', { method: 'POST' }), reasonIs('UNKNOWN_OUTCOME'));
    const put = await opened(cancelled(), true);
    assert.equal((await put.session.fetch('/', { method: 'PUT' })).status, 200);
  });

  it('tells that the app’s own stream failed', async () => {
    const { session } = await opened(echo, true);
    const broken = async function* (): AsyncGenerator<Uint8Array> {
      yield new Uint8Array(10);
      throw new Error('disk');
    };
    const fetching = session.fetch('/', { method: 'PUT', body: broken() });
    await assert.rejects(fetching, (error: unknown) => {
      return (
        error instanceof SallyportError && error.reason === 'CANCELLED' && error.message.includes('body')
      );
    });
  });
});
