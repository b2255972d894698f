import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { ManualClock } from '#kernel/time/manual-clock.ts';
import { Gate } from './gate.ts';

const setUp = () => {
  const clock = new ManualClock();
  const gate = new Gate({ inside: 2, waiting: 2, clock });
  const order: string[] = [];
  const enter = async (name: string, urgent = false): Promise<() => void> => {
    const leave = await gate.enter(1000, undefined, urgent);
    order.push(name);
    return leave;
  };
  return { clock, gate, order, enter };
};

describe('the gate before the database', () => {
  it('lets the urgent in although it is full and as many wait as may', async () => {
    const { gate, order, enter } = setUp();
    const [one] = [await enter('1'), await enter('2')];
    const [three, four] = [enter('3'), enter('4')];
    await assert.rejects(gate.enter(1000), { reason: 'DB_BUSY' });
    const urgent = await enter('urgent', true);
    assert.equal(gate.inside, 3);
    // Its place is for the urgent: nobody who waits gets it.
    urgent();
    assert.deepEqual([gate.inside, gate.waiting], [2, 2]);
    one();
    (await three)();
    (await four)();
    assert.deepEqual(order, ['1', '2', 'urgent', '3', '4']);
  });

  it('serves the urgent first, and them in their order', async () => {
    const { order, enter } = setUp();
    const [one, two] = [await enter('1'), await enter('2')];
    await enter('u1', true);
    const waiting = [enter('3'), enter('u2', true), enter('u3', true)] as const;
    one();
    two();
    await Promise.all([waiting[1], waiting[2]]);
    assert.deepEqual(order, ['1', '2', 'u1', 'u2', 'u3']);
    (await waiting[1])();
    (await waiting[2])();
    await waiting[0];
    assert.equal(order.at(-1), '3');
  });

  it('bounds the urgent, too, in number and time', async () => {
    const { clock, gate } = setUp();
    for (let n = 0; n < 3; n++) await gate.enter(1000, undefined, true);
    const waiting = Array.from({ length: 100 }, () =>
      assert.rejects(gate.enter(1000, undefined, true), { reason: 'DB_UNAVAILABLE' }),
    );
    await assert.rejects(gate.enter(1000, undefined, true), { reason: 'DB_BUSY' });
    await clock.advance(1000);
    await Promise.all(waiting);
    assert.equal(gate.waiting, 0);
  });
});
