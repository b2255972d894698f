import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { SallyportError } from '#core/errors/error.ts';
import { ManualClock } from '#kernel/time/manual-clock.ts';
import { batcher } from './batcher.ts';
import { Gate } from './gate.ts';

describe('batcher', () => {
  it('gathers what comes together and what comes meanwhile', async () => {
    const batches: number[][] = [];
    const gates: (() => void)[] = [];
    const b = batcher<number, number>(
      async (rows) => {
        batches.push([...rows]);
        await new Promise<void>((resolve) => gates.push(resolve));
        return rows.map((row) => row * 2);
      },
      { maxRows: 3, parallel: 1 },
    );
    const first = [1, 2].map((n) => b.add(n));
    await new Promise((resolve) => setImmediate(resolve));
    const later = [3, 4, 5, 6].map((n) => b.add(n));
    assert.equal(b.queued, 4);
    gates[0]?.();
    assert.deepEqual(await Promise.all(first), [2, 4]);
    const closed = b.close();
    for (let n = 1; n < 3; n += 1) {
      await new Promise((resolve) => setImmediate(resolve));
      gates[n]?.();
    }
    assert.deepEqual(await Promise.all(later), [6, 8, 10, 12]);
    await closed;
    assert.deepEqual(batches, [[1, 2], [3, 4, 5], [6]]);
    await assert.rejects(b.add(7), { reason: 'UNAVAILABLE' });
  });

  it('waits for others as long as it is told, and refuses beyond its limit', async () => {
    const clock = new ManualClock();
    const batches: number[] = [];
    const b = batcher<number, number>(
      (rows) => {
        batches.push(rows.length);
        return Promise.resolve([...rows]);
      },
      { maxWaitMs: 5, maxQueued: 2, clock },
    );
    const two = [b.add(1), b.add(2)];
    await assert.rejects(b.add(3), { reason: 'DB_BUSY' });
    assert.deepEqual(batches, []);
    await clock.advance(5);
    await Promise.all(two);
    assert.deepEqual(batches, [2]);
  });

  it('fails only the faulty row, and writes nothing again when the outcome is unknown', async () => {
    const runs: number[][] = [];
    const faulty = batcher<number, number>((rows) => {
      runs.push([...rows]);
      return rows.includes(2) ? Promise.reject(new Error('duplicate')) : Promise.resolve([...rows]);
    });
    const results = await Promise.allSettled([1, 2, 3].map((n) => faulty.add(n)));
    assert.deepEqual(
      results.map((r) => r.status),
      ['fulfilled', 'rejected', 'fulfilled'],
    );
    assert.deepEqual(runs, [[1, 2, 3], [1], [2], [3]]);
    let calls = 0;
    const unknown = batcher<number, number>(() => {
      calls += 1;
      return Promise.reject(new SallyportError('DB_OUTCOME_UNKNOWN'));
    });
    for (const r of await Promise.allSettled([unknown.add(1), unknown.add(2)]))
      assert.equal(r.status, 'rejected');
    assert.equal(calls, 1);
  });
});

describe('gate', () => {
  it('admits in order, bounds those inside, those waiting and the wait', async () => {
    const clock = new ManualClock();
    const gate = new Gate({ inside: 1, waiting: 2, clock });
    const leave = await gate.enter(1000);
    const order: string[] = [];
    const second = gate.enter(1000).then((l) => {
      order.push('second');
      return l;
    });
    const end = new AbortController();
    const third = gate.enter(1000, end.signal);
    await assert.rejects(gate.enter(1000), { reason: 'DB_BUSY' });
    end.abort(new Error('gave up'));
    await assert.rejects(third, /gave up/);
    const late = assert.rejects(gate.enter(500), { reason: 'DB_UNAVAILABLE' });
    await clock.advance(500);
    await late;
    leave();
    leave();
    (await second)();
    assert.deepEqual(order, ['second']);
    assert.equal(gate.inside, 0);
    assert.equal(gate.waiting, 0);
  });
});
