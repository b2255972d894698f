import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { turns } from './turns.ts';

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('work in turns', () => {
  it('is done in its order, a little in each turn, with others in between', async () => {
    const done: number[] = [];
    const all = turns(2);
    for (const n of [1, 2, 3, 4, 5]) all.add(() => done.push(n));
    assert.deepEqual([done, all.waiting], [[], 5]);
    await nextTurn();
    assert.deepEqual([done, all.waiting], [[1, 2], 3]);
    all.add(() => done.push(6));
    await nextTurn();
    assert.deepEqual(done, [1, 2, 3, 4]);
    await nextTurn();
    assert.deepEqual([done, all.waiting], [[1, 2, 3, 4, 5, 6], 0]);
  });

  it('goes on after a pause', async () => {
    const all = turns(8);
    let done = 0;
    all.add(() => done++);
    await nextTurn();
    all.add(() => done++);
    await nextTurn();
    assert.equal(done, 2);
  });
});
