import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { Outbox } from './outbox.ts';

describe('an outbox', () => {
  it('gives what was pushed in order, also what waits when it ends', async () => {
    const outbox = new Outbox<number>(10);
    const seen: number[] = [];
    const reading = (async () => {
      for await (const each of outbox) seen.push(each);
    })();
    outbox.push(1);
    await new Promise((resolve) => setImmediate(resolve));
    outbox.push(2);
    outbox.push(3);
    outbox.end();
    outbox.push(4);
    await reading;
    assert.deepEqual(seen, [1, 2, 3]);
  });

  it('fails when its reader is too slow, and with what it is told', async () => {
    const full = new Outbox<number>(2);
    for (let n = 0; n < 3; n++) full.push(n);
    await assert.rejects(full[Symbol.asyncIterator]().next(), { reason: 'OVERLOADED' });
    const failed = new Outbox<number>(2);
    failed.fail(new Error('gone'));
    await assert.rejects(failed[Symbol.asyncIterator]().next(), /gone/);
  });
});
