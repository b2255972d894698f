import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { SallyportError } from '#core/errors/error.ts';
import type { Db } from '#kernel/db/db.ts';
import { ManualClock } from '#kernel/time/manual-clock.ts';
import type { SecurityTables } from '../store/tables.ts';
import { EntriesTogether } from './entries-together.ts';
import type { FeedTransaction, NewRevocation } from './feed.ts';

type Tx = Db<SecurityTables>['tx'];

/** A database whose transactions go on when the test says so. */
function given() {
  const clock = new ManualClock();
  const committed: string[][] = [];
  const waiting: ((error?: Error) => void)[] = [];
  const deadlines: (number | undefined)[] = [];
  const tx: Tx = async (fn, options = {}) => {
    deadlines.push(options.deadlineMs);
    await new Promise<void>((resolve, reject) => {
      waiting.push((error) => (error ? reject(error) : resolve()));
    });
    return fn({} as FeedTransaction as Parameters<typeof fn>[0]);
  };
  const append = async (_: FeedTransaction, entries: readonly NewRevocation[]): Promise<number> => {
    committed.push(entries.map(({ subject }) => subject));
    return committed.flat().length;
  };
  const entries = new EntriesTogether({ db: { tx }, append, clock });
  const add = (subject: string, deadlineMs?: number, signal?: AbortSignal): Promise<number> =>
    entries.add(
      { kind: 'session', subject, reason: '' },
      { ...(deadlineMs !== undefined && { deadlineMs }), ...(signal && { signal }) },
    );
  const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  return { clock, committed, waiting, deadlines, add, settled };
}

const unavailable = new SallyportError('DB_UNAVAILABLE');

describe('entries of the feed that share a transaction', () => {
  it('take along what came while there was no primary, each with its own position', async () => {
    const { committed, waiting, add } = given();
    const all = ['a', 'b', 'c'].map((subject) => add(subject));
    assert.equal(waiting.length, 1);
    waiting[0]?.();
    assert.deepEqual(await Promise.all(all), [1, 2, 3]);
    assert.deepEqual(committed, [['a', 'b', 'c']]);
  });

  it('wait for the one under way, and are bounded in number', async () => {
    const { committed, waiting, add, settled } = given();
    const many = Array.from({ length: 201 }, (_, n) => add(String(n)));
    waiting[0]?.();
    await settled();
    assert.equal(waiting.length, 2);
    waiting[1]?.();
    assert.deepEqual(
      await Promise.all(many),
      many.map((_, n) => n + 1),
    );
    assert.deepEqual(
      committed.map(({ length }) => length),
      [200, 1],
    );
    const full = Array.from({ length: 5000 }, (_, n) => add(String(n)));
    await assert.rejects(add('one more'), { reason: 'DB_BUSY' });
    waiting[2]?.(new SallyportError('INTERNAL'));
    assert.ok((await Promise.allSettled(full)).every(({ status }) => status === 'rejected'));
  });

  it('have the time of the most patient, and each its own', async () => {
    const { clock, committed, waiting, deadlines, add, settled } = given();
    const patient = add('a', 5000);
    waiting[0]?.(unavailable);
    await assert.rejects(patient, { reason: 'DB_UNAVAILABLE' });
    await settled();
    const short = assert.rejects(add('b', 1000), { reason: 'DB_UNAVAILABLE' });
    const long = add('c', 9000);
    await clock.advance(1000);
    await short;
    // The transaction that was begun for the first fails; who came meanwhile has time left.
    waiting[1]?.(unavailable);
    await settled();
    waiting[2]?.();
    assert.equal(await long, 1);
    assert.deepEqual(committed, [['c']]);
    assert.deepEqual(deadlines, [5000, 1000, 8000]);
  });

  it('leave out what was cancelled meanwhile', async () => {
    const { committed, waiting, add, settled } = given();
    const cancel = new AbortController();
    const gone = assert.rejects(add('a', 5000, cancel.signal), { reason: 'CANCELLED' });
    const stays = add('b');
    cancel.abort();
    await gone;
    waiting[0]?.();
    await settled();
    assert.equal(await stays, 1);
    assert.deepEqual(committed, [['b']]);
  });

  it('all fail for what is no matter of time', async () => {
    const { waiting, add } = given();
    const all = [add('a'), add('b')];
    waiting[0]?.(new SallyportError('INTERNAL'));
    for (const each of await Promise.allSettled(all)) assert.equal(each.status, 'rejected');
  });
});
