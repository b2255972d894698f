import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { SallyportError } from '#core/errors/error.ts';
import { ApprovalFormSchema } from '#gen/sallyport/task/v1/work_item_pb.js';
import type { JournalEntry, JournalRow, Release } from '../store/task-store.ts';
import type { TaskContext, TaskDefinition } from './definition.ts';
import type { Json } from './json.ts';
import { taskRegistry } from './registry.ts';
import { runTask } from './run-task.ts';

/** One task, run again and again by whoever has it, on a journal that outlives the runs. */
function bench(run: TaskDefinition['run']) {
  const definition: TaskDefinition = { kind: 'tried', version: 1, run };
  const journal = new Map<string, JournalRow>();
  const bench = {
    nowMs: 1_000_000,
    cancelled: false,
    journal,
    entries: [] as JournalEntry[],
    /** The write after so many fails, as when the worker dies there. */
    failAfter: Number.POSITIVE_INFINITY,
    run: (attempts = 1, signal = new AbortController().signal): Promise<Release> =>
      runTask(
        definition,
        {
          ...{ id: 't'.repeat(22), fence: 1, kind: 'tried', version: 1, input: 'in', wakes: 0, attempts },
          submitter: 'tests',
          cancelRequested: bench.cancelled,
          journal: [...journal.values()],
        },
        {
          now: () => bench.nowMs,
          random: () => 0,
          registry: taskRegistry([definition]),
          cancelRequested: () => bench.cancelled,
          signal,
          journal: async (entry) => {
            if (bench.entries.length >= bench.failAfter) throw new SallyportError('CLAIM_LOST');
            bench.entries.push(entry);
            const before = journal.get(entry.name);
            if (before?.state === 'done' || before?.state === 'failed') return before;
            const { child: _, item: __, ...row } = entry;
            journal.set(entry.name, row);
            return row;
          },
        },
      ),
    message: (name: string, value: Json) =>
      void journal.set(name, {
        name,
        state: 'done',
        result: { value },
        error: undefined,
        attempts: 0,
        dueMs: undefined,
      }),
  };
  return bench;
}

const lost = { reason: 'CLAIM_LOST' };

describe('a task', () => {
  it('does each step once, whichever entry its worker dies at', async () => {
    for (let dies = 0; dies < 4; dies++) {
      const done: string[] = [];
      const tokens = new Set<string>();
      const task = bench(async (context, input) => {
        let all = String(input);
        for (const name of ['a', 'b', 'c']) {
          all += await context.step(name, async ({ token }) => {
            tokens.add(token);
            done.push(name);
            return name;
          });
        }
        return all;
      });
      task.failAfter = dies;
      if (dies < 3) await assert.rejects(task.run(), lost);
      task.failAfter = Number.POSITIVE_INFINITY;
      assert.deepEqual(await task.run(), { to: 'done', result: 'inabc' });
      // The one whose entry was lost is done again, under the same token.
      assert.equal(done.length, dies < 3 ? 4 : 3);
      assert.equal(tokens.size, 3);
    }
  });

  it('waits without a worker, for time and for messages, also together', async () => {
    const task = bench(async (context) => {
      const [said] = await Promise.all([context.message<string>('go'), context.sleep('a minute', 60_000)]);
      return said ?? null;
    });
    assert.deepEqual(await task.run(), { to: 'open', dueMs: 1_060_000, wakes: 0 });
    task.message('go', 'now');
    assert.deepEqual(await task.run(), { to: 'open', dueMs: 1_060_000, wakes: 0 });
    task.nowMs = 1_060_000;
    assert.deepEqual(await task.run(), { to: 'done', result: 'now' });
  });

  it('is told that no message has come in time, and keeps to that', async () => {
    const task = bench(async (context) => (await context.message('go', { withinMs: 1000 })) === undefined);
    assert.deepEqual(await task.run(), { to: 'open', dueMs: 1_001_000, wakes: 0 });
    task.nowMs = 1_001_000;
    assert.deepEqual(await task.run(), { to: 'done', result: true });
    assert.equal(task.journal.get('go')?.state, 'done');
    assert.deepEqual(await task.run(), { to: 'done', result: true });
  });

  it('tries again what can pass, later each time, and is put aside in the end', async () => {
    let tried = 0;
    const task = bench((context) =>
      context.step(
        'mail',
        async () => {
          tried++;
          throw new SallyportError('UNAVAILABLE');
        },
        { retry: { attempts: 3, firstMs: 100 } },
      ),
    );
    assert.deepEqual(await task.run(), { to: 'open', dueMs: 1_000_100, wakes: 0 });
    // Woken before the time: it is not tried.
    assert.deepEqual(await task.run(), { to: 'open', dueMs: 1_000_100, wakes: 0 });
    assert.equal(tried, 1);
    task.nowMs += 100;
    assert.deepEqual(await task.run(), { to: 'open', dueMs: 1_000_300, wakes: 0 });
    task.nowMs += 200;
    const end = await task.run();
    assert.equal(end.to === 'dead' && end.error.reason, 'UNAVAILABLE');
    assert.equal(tried, 3);
  });

  it('takes back what it has done, the last first, when a later step fails for good, and when it is cancelled', async () => {
    const did: string[] = [];
    const book = (context: TaskContext, name: string) =>
      context.step(name, async () => did.push(name), {
        undo: async () => void did.push(`-${name}`),
      });
    const failing = bench(async (context) => {
      await book(context, 'a');
      await book(context, 'b');
      return context.step('c', () => Promise.reject(new SallyportError('NOT_FOUND')));
    });
    const end = await failing.run();
    assert.equal(end.to === 'failed' && end.error.reason, 'NOT_FOUND');
    assert.deepEqual(did.splice(0), ['a', 'b', '-b', '-a']);
    // Again, as if the worker had died before it could say so.
    assert.equal((await failing.run()).to, 'failed');
    assert.deepEqual(did, []);

    const waiting = bench(async (context) => {
      await book(context, 'a');
      await context.message('never');
      return book(context, 'b');
    });
    assert.equal((await waiting.run()).to, 'open');
    waiting.cancelled = true;
    assert.deepEqual(await waiting.run(), { to: 'cancelled' });
    assert.deepEqual(did, ['a', '-a']);
  });

  it('lets what is under way finish when it is cancelled, so that it can be taken back', async () => {
    const did: string[] = [];
    const task = bench(async (context) => {
      await context.step(
        'slow',
        async () => {
          task.cancelled = true;
          await new Promise((resolve) => setImmediate(resolve));
          return did.push('slow');
        },
        { undo: async () => void did.push('-slow') },
      );
      return context.step('next', async () => did.push('next'));
    });
    assert.deepEqual(await task.run(), { to: 'cancelled' });
    assert.deepEqual(did, ['slow', '-slow']);
  });

  it('is put aside for a fault of its own, and after runs that leave no trace', async () => {
    const broken = await bench(() => Promise.reject(new TypeError('oops'))).run();
    assert.equal(broken.to, 'dead');
    const twice = await bench(async (context) => {
      await context.sleep('x', 0);
      await context.sleep('x', 0);
      return null;
    }).run();
    assert.equal(twice.to, 'dead');
    const task = bench(async () => assert.fail('it is not run again'));
    assert.equal((await task.run(7)).to, 'dead');
  });

  it('is let go of when its worker stops, with nothing written of what was broken off', async () => {
    const stop = new AbortController();
    const task = bench((context) =>
      context.step('long', ({ signal }) => {
        stop.abort(new SallyportError('UNAVAILABLE', { message: 'stopping' }));
        return Promise.reject(signal.reason);
      }),
    );
    await assert.rejects(task.run(1, stop.signal), { message: 'stopping' });
    assert.equal(task.journal.size, 0);
  });

  it('asks people with the entry that waits for them, once, and gives what they said', async () => {
    const task = bench(async (context) => {
      const said = await context.ask('who', {
        title: 'Who?',
        form: ApprovalFormSchema,
        to: { groups: ['staff'] },
        withinMs: 1000,
      });
      return said === undefined ? 'nobody' : said.by;
    });
    assert.deepEqual(await task.run(), { to: 'open', dueMs: 1_001_000, wakes: 0 });
    assert.deepEqual(
      task.entries.map(({ name, item }) => [name, item?.title, item?.candidates]),
      [['ask who', 'Who?', ['group/staff']]],
    );
    task.message('ask who', { by: 'person/anna', form: {} });
    assert.deepEqual(await task.run(), { to: 'done', result: 'person/anna' });
    assert.equal(task.entries.length, 1);
  });
});
