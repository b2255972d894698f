import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { SallyportError } from '../core/errors/error.ts';
import type { Backend } from './test/fake-proxy.ts';
import { answer, answerOf, gate, opened, reasonIs, until } from './test/opened.ts';

const page = Uint8Array.from({ length: 200_000 }, (_, at) => (at * 7) % 253);
const whole = { etag: '"v1"', 'accept-ranges': 'bytes', 'content-length': String(page.length) };

/** Gives the bytes, and breaks off after so many of them. */
function* cutAfter(bytes: Uint8Array, at: number): Generator<Uint8Array> {
  for (let from = 0; from < at; from += 10_000) yield bytes.subarray(from, Math.min(from + 10_000, at));
  throw new SallyportError('BACKEND_FAILED', { metadata: { maybeExecuted: 'true' } });
}

/** A backend with Range and If-Range that breaks every answer off after `step` bytes. */
function ranged(step: number, headers: Record<string, string>, later: Record<string, string> = {}) {
  const asked: (string | undefined)[] = [];
  const backend: Backend = (head) => {
    const field = (name: string) => head.headers.find((each) => each.name === name)?.value;
    const range = field('range');
    asked.push(range);
    if (range === undefined) return Promise.resolve(answerOf(200, headers, cutAfter(page, step)));
    assert.equal(field('if-range'), '"v1"');
    const from = Number(/^bytes=(\d+)-$/.exec(range)?.[1]);
    const rest = page.subarray(from);
    const body = rest.length > step ? cutAfter(rest, step) : [rest];
    const part = {
      etag: '"v1"',
      'content-range': `bytes ${from}-${page.length - 1}/${page.length}`,
      ...later,
    };
    return Promise.resolve(answerOf(206, part, body));
  };
  return { asked, backend };
}

const same = (given: Uint8Array): void => assert.ok(Buffer.from(given).equals(page));

describe('a body that is cut', () => {
  it('goes on by Range, as often as needed', async () => {
    const { asked, backend } = ranged(70_000, whole);
    const { session, events } = await opened(backend, true);
    same(await (await session.fetch('/')).bytes());
    assert.deepEqual(asked, [undefined, 'bytes=70000-', 'bytes=140000-']);
    assert.equal(events.filter(({ type }) => type === 'resumed').length, 2);
  });

  it('goes on at another proxy', async () => {
    const { passed: half, open: halfway } = gate();
    let first = true;
    const { mesh, session } = await opened((head) => {
      const range = head.headers.find(({ name }) => name === 'range')?.value;
      if (first) {
        first = false;
        return Promise.resolve(answerOf(200, whole, stuckAfter(page.subarray(0, 30_000))));
      }
      assert.equal(range, 'bytes=30000-');
      const part = { 'content-range': `bytes 30000-${page.length - 1}/${page.length}` };
      return Promise.resolve(answerOf(206, part, [page.subarray(30_000)]));
    }, true);
    const response = await session.fetch('/');
    const reader = response.body.getReader();
    const chunks: Uint8Array[] = [];
    let received = 0;
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      chunks.push(next.value);
      received += next.value.length;
      if (received === 30_000) {
        halfway();
        mesh.failOver();
      }
    }
    await half;
    same(Buffer.concat(chunks));
  });

  it('goes on at another proxy, when its own is to be left and it is not soon complete', async () => {
    const asked: (string | undefined)[] = [];
    const { mesh, session } = await opened((head) => {
      asked.push(head.headers.find(({ name }) => name === 'range')?.value);
      if (asked.length === 1) {
        return Promise.resolve(answerOf(200, whole, stuckAfter(page.subarray(0, 30_000))));
      }
      const part = { 'content-range': `bytes 30000-${page.length - 1}/${page.length}` };
      return Promise.resolve(answerOf(206, part, [page.subarray(30_000)]));
    }, true);
    const reading = (await session.fetch('/')).bytes();
    mesh.handOn();
    same(await reading);
    assert.deepEqual(asked, [undefined, 'bytes=30000-']);
  });

  it('goes on at another proxy also when so much has arrived that its slow reader need not wait', async () => {
    const asked: string[] = [];
    const { mesh, session } = await opened((head) => {
      const range = head.headers.find(({ name }) => name === 'range')?.value;
      asked.push(range ?? 'all');
      const from = Number(/^bytes=(\d+)-$/.exec(range ?? '')?.[1] ?? 0);
      const part = { 'content-range': `bytes ${from}-${page.length - 1}/${page.length}` };
      const rest = cut(page.subarray(from), 10_000);
      return Promise.resolve(range === undefined ? answerOf(200, whole, rest) : answerOf(206, part, rest));
    }, true);
    const response = await session.fetch('/');
    const chunks: Uint8Array[] = [];
    for await (const chunk of response.body) {
      chunks.push(chunk);
      if (chunks.length === 1) mesh.handOn();
      if (chunks.length === 2) await new Promise((resolve) => setTimeout(resolve, 2500));
    }
    same(Buffer.concat(chunks));
    assert.equal(asked.length, 2);
    assert.notEqual(asked[1], 'all');
  }).timeout(20_000);

  it('is STREAM_CUT without a strong validator, without ranges, and for a POST', async () => {
    for (const [headers, method] of [
      [{ ...whole, etag: 'W/"v1"' }, 'GET'],
      [{ etag: '"v1"', 'content-length': '200000' }, 'GET'],
      [whole, 'POST'],
    ] as const) {
      const { session } = await opened(ranged(70_000, headers).backend, true);
      const response = await session.fetch('/', { method });
      await assert.rejects(response.bytes(), reasonIs('STREAM_CUT'));
    }
  });

  it('is STREAM_CUT when the page has changed', async () => {
    const changed = await opened(ranged(70_000, whole, { etag: '"v2"' }).backend, true);
    await assert.rejects((await changed.session.fetch('/')).bytes(), reasonIs('STREAM_CUT'));
    const replaced = await opened((head) => {
      const again = head.headers.some(({ name }) => name === 'range');
      return Promise.resolve(again ? answer(200, 'new') : answerOf(200, whole, cutAfter(page, 70_000)));
    }, true);
    await assert.rejects((await replaced.session.fetch('/')).bytes(), reasonIs('STREAM_CUT'));
  });

  it('is whole when it was cut after its last byte', async () => {
    const { session } = await opened((head) => {
      const again = head.headers.some(({ name }) => name === 'range');
      const range = { 'content-range': `bytes */${page.length}` };
      return Promise.resolve(
        again ? answerOf(416, range, []) : answerOf(200, whole, cutAfter(page, page.length)),
      );
    }, true);
    same(await (await session.fetch('/')).bytes());
  });

  it('is asked for again when it is short and the request repeatable', async () => {
    const short = page.subarray(0, 40_000);
    for (const init of [{}, { method: 'POST', body: 'x', idempotencyKey: 'k' }]) {
      const cuts = [0, 20_000, 30_000];
      const { session, events } = await opened(() => {
        const cut = cuts.shift();
        return Promise.resolve(answerOf(200, {}, cut === undefined ? [short] : cutAfter(short, cut)));
      }, true);
      const given = await (await session.fetch('/', init)).bytes();
      assert.ok(Buffer.from(given).equals(short));
      assert.equal(events.filter(({ type }) => type === 'resumed').length, 3);
    }
  });

  it('is the later one when it was asked for again and begins in another way, for who reads it whole', async () => {
    const later = page.subarray(1, 40_001);
    const answers = [cutAfter(page, 20_000), cutAfter(page.subarray(7), 10_000), [later]];
    const { session } = await opened(() => Promise.resolve(answerOf(200, {}, answers.shift() ?? [])), true);
    const given = await (await session.fetch('/')).bytes();
    assert.ok(Buffer.from(given).equals(later));
  });

  it('is STREAM_CUT when it was asked for again, begins in another way, and is read piece by piece', async () => {
    const answers = [cutAfter(page, 20_000), [page.subarray(1, 40_000)]];
    const { session } = await opened(() => Promise.resolve(answerOf(200, {}, answers.shift() ?? [])), true);
    const { body } = await session.fetch('/');
    await assert.rejects(new Response(body).arrayBuffer(), reasonIs('STREAM_CUT'));
  });

  it('is STREAM_CUT when it was asked for again and is another one', async () => {
    for (const other of [
      answerOf(404, {}, [page.subarray(0, 40_000)]),
      answerOf(200, { 'content-type': 'text/html' }, [page.subarray(0, 40_000)]),
    ]) {
      let asked = 0;
      const { session } = await opened(
        () => Promise.resolve(asked++ === 0 ? answerOf(200, {}, cutAfter(page, 20_000)) : other),
        true,
      );
      await assert.rejects((await session.fetch('/')).bytes(), reasonIs('STREAM_CUT'));
    }
  });

  it('is STREAM_CUT, however short, when the request cannot be repeated', async () => {
    let asked = 0;
    const { session } = await opened(() => {
      asked += 1;
      return Promise.resolve(answerOf(200, {}, cutAfter(page, 10_000)));
    }, true);
    const response = await session.fetch('/', { method: 'POST', body: 'x' });
    await assert.rejects(response.bytes(), reasonIs('STREAM_CUT'));
    assert.equal(asked, 1);
  });

  it('is given up when it ends at the same place again and again', async () => {
    let asked = 0;
    const { session } = await opened(() => {
      asked += 1;
      return Promise.resolve(answerOf(200, {}, cutAfter(page, 10_000)));
    }, true);
    await assert.rejects((await session.fetch('/')).bytes(), reasonIs('STREAM_CUT'));
    assert.equal(asked, 6);
  }).timeout(20_000);

  it('is noticed by its length', async () => {
    const { session } = await opened(
      () => Promise.resolve(answer(200, 'short', { 'content-length': '9' })),
      false,
    );
    await assert.rejects((await session.fetch('/')).text(), reasonIs('STREAM_CUT'));
  });

  it('is given up when nothing more comes', async () => {
    let asked = 0;
    const { session } = await opened((head) => {
      asked++;
      const again = head.headers.some(({ name }) => name === 'range');
      if (!again) return Promise.resolve(answerOf(200, whole, cutAfter(page, 10_000)));
      const part = { 'content-range': `bytes 10000-${page.length - 1}/${page.length}` };
      return Promise.resolve(answerOf(206, part, cutAfter(page, 0)));
    }, true);
    await assert.rejects((await session.fetch('/')).bytes(), reasonIs('STREAM_CUT'));
    assert.equal(asked, 6);
  }).timeout(10_000);

  it('goes on after the last whole event of an event stream', async () => {
    const text = (events: string) => new TextEncoder().encode(events);
    const asked: (string | undefined)[] = [];
    const { session } = await opened((head) => {
      asked.push(head.headers.find(({ name }) => name === 'last-event-id')?.value);
      const first = text('id: 1\ndata: a\n\nid: 2\ndata: b\n\nid: 3\nda');
      const rest = [text('id: 3\ndata: c\n\n')];
      const body = asked.length === 1 ? cutAfter(first, first.length) : rest;
      return Promise.resolve(answerOf(200, { 'content-type': 'text/event-stream' }, body));
    }, true);
    const events = await (await session.fetch('/events')).text();
    assert.equal(events, 'id: 1\ndata: a\n\nid: 2\ndata: b\n\nid: 3\ndata: c\n\n');
    assert.deepEqual(asked, [undefined, '2']);
  });

  it('of events moves on when its proxy is to be left, before it is cut, however often nothing has happened', async () => {
    const text = (events: string) => new TextEncoder().encode(events);
    const asked: (string | undefined)[] = [];
    const { mesh, session, events } = await opened((head) => {
      asked.push(head.headers.find(({ name }) => name === 'last-event-id')?.value);
      const body =
        asked.length === 1
          ? stuckAfter(text('id: 1\ndata: a\n\nid: 2\nda'))
          : asked.length < 9
            ? stuckAfter(new Uint8Array())
            : [text('id: 2\ndata: b\n\n')];
      return Promise.resolve(answerOf(200, { 'content-type': 'text/event-stream' }, body));
    }, true);
    const reading = (await session.fetch('/events')).text();
    for (let moves = 1; moves < 9; moves++) {
      await until(() => asked.length === moves);
      mesh.handOn();
    }
    assert.equal(await reading, 'id: 1\ndata: a\n\nid: 2\ndata: b\n\n');
    assert.deepEqual(asked, [undefined, ...Array(8).fill('1')]);
    assert.equal(events.filter(({ type }) => type === 'resumed').length, 8);
  });
});

function cut(bytes: Uint8Array, size: number): Uint8Array[] {
  return Array.from({ length: Math.ceil(bytes.length / size) }, (_, n) =>
    bytes.subarray(n * size, (n + 1) * size),
  );
}

async function* stuckAfter(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
  await new Promise(() => {});
}

describe('a body', () => {
  it('can be cancelled while it is waited for, and the backend is told', async () => {
    const { passed: released, open: release } = gate();
    const { session } = await opened(async (_head, body) => {
      body[Symbol.asyncIterator]();
      return answerOf(200, {}, endless(release));
    }, true);
    const response = await session.fetch('/');
    const reader = response.body.getReader();
    await reader.read();
    await reader.cancel();
    await released;
  });

  it('ends with CANCELLED when the caller gives the request up', async () => {
    const { session } = await opened(
      () => Promise.resolve(answerOf(200, {}, stuckAfter(page.subarray(0, 5)))),
      true,
    );
    const stop = new AbortController();
    const response = await session.fetch('/', { signal: stop.signal });
    const reader = response.body.getReader();
    await reader.read();
    const reading = reader.read();
    stop.abort();
    await assert.rejects(reading, reasonIs('CANCELLED'));
  });

  it('ends with the session', async () => {
    const { session } = await opened(
      () => Promise.resolve(answerOf(200, {}, stuckAfter(page.subarray(0, 5)))),
      true,
    );
    const response = await session.fetch('/');
    const reading = response.bytes();
    await session.close();
    await assert.rejects(reading, reasonIs('SESSION_REVOKED'));
  });

  it('has a limit in memory', async () => {
    const { session } = await opened(() => Promise.resolve(answerOf(200, {}, [page])), true);
    const response = await session.fetch('/', { maxBytes: 1000 });
    await assert.rejects(response.bytes(), reasonIs('TOO_LARGE'));
  });

  it('can be read as JSON', async () => {
    const { session } = await opened((head) => Promise.resolve(answer(200, head.path.slice(1))), true);
    assert.deepEqual(await (await session.fetch('/[1,2]')).json(), [1, 2]);
    await assert.rejects((await session.fetch('/oops')).json(), reasonIs('MALFORMED'));
  });
});

async function* endless(released: () => void): AsyncGenerator<Uint8Array> {
  try {
    for (;;) {
      yield new Uint8Array(1000);
      await new Promise((resolve) => setImmediate(resolve));
    }
  } finally {
    released();
  }
}
