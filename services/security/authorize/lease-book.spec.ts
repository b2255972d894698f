import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { ManualClock } from '#kernel/time/manual-clock.ts';
import { LeaseBook } from './lease-book.ts';
import { leaseLengths } from './lease-lengths.ts';

const leaseMs = 10_000;
const lengths = leaseLengths(leaseMs, [{ proxies: ['proxy-far'], leaseMs: 3 * leaseMs }]);

describe('the lease book', () => {
  const settles = async (clock: ManualClock, book: LeaseBook, position: number): Promise<() => boolean> => {
    let done = false;
    void book.settled(position).then(() => {
      done = true;
    });
    await clock.advance(0);
    return () => done;
  };

  it('is settled by acknowledgements, of every holder', async () => {
    const clock = new ManualClock();
    const book = new LeaseBook(clock, lengths);
    await clock.advance(lengths.longestMs);
    for (const proxy of ['proxy-0', 'proxy-1']) book.given(proxy);
    const done = await settles(clock, book, 3);
    book.acknowledge('proxy-0', 3);
    book.acknowledge('proxy-1', 2);
    await clock.advance(0);
    assert.equal(done(), false);
    book.acknowledge('proxy-1', 4);
    await clock.advance(0);
    assert.equal(done(), true);
    assert.equal(clock.waiting, 0);
  });

  it('is settled when the last lease has run out, whatever the wall clock says', async () => {
    const clock = new ManualClock();
    const book = new LeaseBook(clock, lengths);
    await clock.advance(lengths.longestMs);
    book.given('proxy-0');
    await clock.advance(4000);
    const done = await settles(clock, book, 3);
    clock.jumpWall(3_600_000);
    await clock.advance(5999);
    assert.equal(done(), false);
    await clock.advance(1);
    assert.equal(done(), true);
  });

  it('counts leases that the process before may have given', async () => {
    const clock = new ManualClock();
    const book = new LeaseBook(clock, lengths);
    const done = await settles(clock, book, 1);
    await clock.advance(lengths.longestMs - 1);
    assert.equal(done(), false);
    await clock.advance(1);
    assert.equal(done(), true);
  });

  it('waits longer for a proxy whose leases are longer', async () => {
    const clock = new ManualClock();
    const book = new LeaseBook(clock, lengths);
    await clock.advance(lengths.longestMs);
    for (const proxy of ['proxy-0', 'proxy-far']) book.given(proxy);
    const done = await settles(clock, book, 3);
    await clock.advance(lengths.longestMs - 1);
    assert.equal(done(), false);
    await clock.advance(1);
    assert.equal(done(), true);
  });
});
