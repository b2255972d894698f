import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import type { StreamMessage } from './messages.ts';
import { Outbox } from './outbox.ts';
import { decodeStreamFrame } from './stream-codec.ts';

const data = (length: number, fill = 1): StreamMessage => ({
  ...{ requestId: 1, kind: 'data' },
  data: new Uint8Array(length).fill(fill),
});
const end = (requestId = 1): StreamMessage => ({ requestId, kind: 'end' });
const given = (batches = true) => new Outbox({ batches, later: setImmediate });
const frame = (outbox: Outbox) => outbox.take((plaintext) => decodeStreamFrame(plaintext.slice()));
const isSettled = async (promise: Promise<void>): Promise<boolean> => {
  const other = Symbol('pending');
  return (await Promise.race([promise, new Promise((r) => setImmediate(r, other))])) !== other;
};

describe('the outbox of a stream', () => {
  it('puts what waits into one frame, for those who take it so', async () => {
    const messages: StreamMessage[] = [
      { requestId: 1, kind: 'responseHead', head: { status: 200, headers: [{ name: 'etag', value: 'ä' }] } },
      data(1000),
      end(),
      {
        requestId: 2,
        kind: 'reset',
        reset: {
          ...{ reason: 'POLICY_DENIED', message: 'no', hint: '' },
          ...{ retryAfterMs: 0, requestId: 'r', maybeExecuted: false },
        },
      },
    ];
    const together = given();
    const apart = given(false);
    for (const message of messages) for (const each of [together, apart]) void each.push(message);
    together.end();
    apart.end();
    // Compared as JSON: messages of protobuf-es have a prototype.
    const plain = (all: unknown) => JSON.parse(JSON.stringify(all));
    assert.deepEqual(plain(await frame(together)), plain(messages));
    assert.equal(await frame(together), undefined);
    for (const message of messages) assert.deepEqual(plain(await frame(apart)), plain([message]));
    assert.equal(await frame(apart), undefined);
  });

  it('waits for what else is said in the same breath', async () => {
    const outbox = given();
    const taken = frame(outbox);
    await new Promise(setImmediate);
    void outbox.push(end(1));
    await Promise.resolve();
    void outbox.push(end(2));
    assert.deepEqual(await taken, [end(1), end(2)]);
  });

  it('begins another frame when one is full, and gives a long message one of its own', async () => {
    const outbox = given();
    for (const size of [32_768, 32_000, 32_768, 20, 100_000]) void outbox.push(data(size));
    outbox.end();
    const sizes: number[][] = [];
    for (let next = await frame(outbox); next !== undefined; next = await frame(outbox)) {
      sizes.push(next.map((each) => (each.kind === 'data' ? each.data.length : -1)));
    }
    assert.deepEqual(sizes, [[32_768, 32_000], [32_768, 20], [100_000]]);
    const many = given();
    for (let n = 1; n <= 4097; n++) void many.push(end(n));
    assert.equal((await frame(many))?.length, 4096);
    assert.deepEqual(await frame(many), [end(4097)]);
  });

  it('keeps nothing of a message', async () => {
    const outbox = given();
    const message = data(3, 7);
    void outbox.push(message);
    if (message.kind === 'data') message.data.fill(0);
    assert.deepEqual(await frame(outbox), [data(3, 7)]);
  });

  it('asks the sender to wait from 128 KiB on, until less than half is left', async () => {
    const outbox = given();
    for (let n = 0; n < 4; n++) assert.equal(outbox.push(data(32_000)), undefined);
    const room = outbox.push(data(32_000));
    assert.ok(room);
    assert.equal(outbox.push(end()), room, 'what is not a body is not held back');
    await frame(outbox);
    assert.equal(await isSettled(room), false);
    await frame(outbox);
    assert.equal(await isSettled(room), true);
  });

  it('delivers what it has and ends, well or not; cut, it drops it', async () => {
    const failing = given();
    void failing.push(end());
    failing.end(new Error('broken'));
    failing.end();
    assert.equal(failing.push(end()), undefined);
    assert.deepEqual(await frame(failing), [end()]);
    await assert.rejects(frame(failing), /broken/);
    const cut = given();
    for (let n = 0; n < 5; n++) void cut.push(data(32_000));
    const room = cut.push(end());
    cut.cut(new Error('revoked'));
    assert.ok(room && (await isSettled(room)));
    assert.equal(cut.waiting, 0);
    await assert.rejects(frame(cut), /revoked/);
    const idle = given();
    const waiting = frame(idle);
    idle.cut(new Error('revoked'));
    await assert.rejects(waiting, /revoked/);
  });
});
