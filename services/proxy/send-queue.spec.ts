import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { SendQueue } from './send-queue.ts';
import { listOf } from './test/given.ts';

const item = (n: number) => ({ n });
const isSettled = async (promise: Promise<void>): Promise<boolean> => {
  const other = Symbol('pending');
  return (await Promise.race([promise, new Promise((r) => setImmediate(r, other))])) !== other;
};

describe('the send queue', () => {
  it('delivers in order, then ends, well or not', async () => {
    const queue = new SendQueue<{ n: number }>();
    void queue.push(item(1));
    void queue.push(item(2));
    queue.end();
    queue.end(new Error('too late'));
    assert.equal(queue.push(item(3)), undefined);
    assert.deepEqual(await listOf(queue), [item(1), item(2)]);
    const failing = new SendQueue<{ n: number }>();
    void failing.push(item(1));
    failing.end(new Error('broken'));
    const reader = failing[Symbol.asyncIterator]();
    assert.deepEqual((await reader.next()).value, item(1));
    await assert.rejects(reader.next(), /broken/);
  });

  it('asks the sender to wait from 16 messages on, until fewer than 8 are left', async () => {
    const queue = new SendQueue<{ n: number }>();
    for (let n = 1; n < 16; n++) assert.equal(queue.push(item(n)), undefined);
    const room = queue.push(item(16));
    assert.ok(room);
    assert.equal(queue.push(item(17)), room, 'what is not a body is not held back');
    const reader = queue[Symbol.asyncIterator]();
    for (let n = 1; n < 10; n++) await reader.next();
    assert.equal(await isSettled(room), false);
    await reader.next();
    assert.equal(await isSettled(room), true);
    assert.equal(queue.length, 7);
  });

  it('that is cut drops what waits, at once', async () => {
    const queue = new SendQueue<{ n: number }>();
    for (let n = 0; n < 16; n++) void queue.push(item(n));
    const room = queue.push(item(16));
    queue.cut(new Error('revoked'));
    assert.ok(room && (await isSettled(room)));
    assert.equal(queue.length, 0);
    await assert.rejects(listOf(queue), /revoked/);
    const ended = new SendQueue<{ n: number }>();
    void ended.push(item(1));
    ended.end();
    ended.cut(new Error('revoked'));
    await assert.rejects(listOf(ended), /revoked/, 'also when its end was waiting already');
  });

  it('that nobody reads any more keeps nobody waiting', async () => {
    const queue = new SendQueue<{ n: number }>();
    for (let n = 0; n < 20; n++) void queue.push(item(n));
    const room = queue.push(item(20));
    for await (const first of queue) {
      assert.deepEqual(first, item(0));
      break;
    }
    assert.ok(room && (await isSettled(room)));
    assert.equal(queue.push(item(21)), undefined);
    assert.equal(queue.length, 0);
  });
});
