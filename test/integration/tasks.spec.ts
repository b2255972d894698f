import assert from 'node:assert/strict';
import { after, before, describe, it } from 'mocha';
import { waitFor } from '#kernel/time/wait-for.ts';
import type { ClosableTaskStore } from '#services/tasks/store/mysql-task-store.ts';
import type { ClaimedTask } from '#services/tasks/store/task-store.ts';
import { TaskStand } from '../tasks/stand.ts';

describe('tasks on a real database', function () {
  this.timeout(240_000);
  let stand: TaskStand;
  let store: ClosableTaskStore;
  let effects: string;

  before(async () => {
    stand = await TaskStand.start(1);
    ({ store, effects } = stand);
  });

  after(() => stand?.close());

  it('are submitted once, however often that is asked for', async () => {
    const task = {
      kind: 'chain',
      version: 1,
      input: { steps: 1, effects },
      submitter: 'tests',
      requestKey: 'once',
    };
    const all = await Promise.all(Array.from({ length: 5 }, () => store.submit(task)));
    assert.equal(new Set(all.map(({ id }) => id)).size, 1);
    await assert.rejects(store.submit({ ...task, input: { steps: 2, effects } }), {
      reason: 'REQUEST_KEY_REUSED',
    });
    const another = await store.submit({ ...task, submitter: 'somebody else' });
    assert.notEqual(another.id, all[0]?.id);
    await store.cancel(another.id);
    await store.cancel(all[0]?.id ?? '');
    await assert.rejects(store.cancel('nobody'), { reason: 'NOT_FOUND' });
  });

  it('are claimed by one worker each, and nothing is written under an older claim', async () => {
    const id = await stand.submit('other', {});
    const ask = { kinds: [{ kind: 'other', version: 1 }], limit: 10, forMs: 1, suspect: true };
    const [claim] = await store.claim({ ...ask, worker: 'one' });
    assert.equal(claim?.id, id);
    assert.deepEqual(await store.claim({ ...ask, worker: 'two' }), []);
    await waitFor(async () => (await store.ripen({ limit: 100, expired: true })) > 0, {
      timeoutMs: 10_000,
      what: 'the claim to run out',
    });
    let later: ClaimedTask | undefined;
    await waitFor(
      async () => {
        await store.ripen({ limit: 100, expired: false });
        [later] = await store.claim({ ...ask, worker: 'two', forMs: 60_000 });
        return later !== undefined;
      },
      { timeoutMs: 10_000, what: 'it to be there again' },
    );
    assert.ok(claim && later && later.fence > claim.fence);
    const entry = {
      name: 'a',
      state: 'done',
      result: 1,
      error: undefined,
      attempts: 1,
      dueMs: undefined,
    } as const;
    await assert.rejects(store.journal(claim, entry), { reason: 'CLAIM_LOST' });
    await assert.rejects(store.release(claim, { to: 'cancelled' }), { reason: 'CLAIM_LOST' });
    assert.deepEqual(await store.renew([claim], 1000), []);
    await store.journal(later, entry);
    // Written again, as after an answer that was lost.
    assert.deepEqual(await store.journal(later, { ...entry, result: 2, attempts: 0 }), {
      ...entry,
      result: 1,
    });
    await store.release(later, { to: 'done', result: 3 });
    await store.release(later, { to: 'done', result: 3 });
    assert.equal((await store.find(id))?.result, 3);
  });

  it('see what has come while they ran', async () => {
    const id = await stand.submit('other', {});
    const ask = {
      worker: 'one',
      kinds: [{ kind: 'other', version: 1 }],
      limit: 10,
      forMs: 60_000,
      suspect: true,
    };
    const [claim] = await store.claim(ask);
    assert.ok(claim);
    await store.message(id, 'go', 'now');
    await store.release(claim, { to: 'open', dueMs: undefined, wakes: claim.wakes });
    const [again] = await store.claim(ask);
    assert.equal(again?.id, id);
    assert.deepEqual(
      again?.journal.map(({ name, state, result }) => [name, state, result]),
      [['go', 'done', { value: 'now' }]],
    );
    await store.release(again ?? claim, { to: 'done', result: null });
    await assert.rejects(store.message(id, 'go', 'late'), { reason: 'TASK_ENDED' });
  });

  it('wait for messages, time and other tasks, and take back what they did', async () => {
    stand.startWorker('worker-a');
    const [yes, no, cancelled] = await Promise.all([
      stand.submit('asks'),
      stand.submit('asks'),
      stand.submit('asks'),
    ]);
    const all = [yes, no, cancelled] as const;
    await waitFor(() => all.every((id) => stand.receivedOf(id).includes('book')), {
      timeoutMs: 60_000,
      what: 'bookings',
    });
    // Woken often, for nothing.
    for (let n = 0; n < 10; n++) {
      await store.message(yes, `remark ${n}`, n);
      await waitFor(async () => (await store.find(yes))?.state === 'open', {
        timeoutMs: 10_000,
        what: 'it to wait',
      });
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    await store.message(yes, 'answer', 'yes');
    await store.message(yes, 'answer', 'no');
    await store.message(no, 'answer', 'no');
    await store.cancel(cancelled);
    assert.deepEqual((await stand.until(yes, 'done')).result, { said: 'yes', sum: 3 });
    assert.equal((await stand.until(no, 'failed')).error?.reason, 'CALLER_NOT_ALLOWED');
    await stand.until(cancelled, 'cancelled');
    assert.deepEqual(stand.receivedOf(yes), ['book']);
    for (const id of [no, cancelled]) assert.deepEqual(stand.receivedOf(id), ['book', 'unbook']);
  });

  it('are put aside when nothing helps, and go on when somebody helps', async () => {
    const [skipped, again] = await Promise.all([stand.submit('stuck'), stand.submit('stuck')]);
    assert.equal((await stand.until(skipped, 'dead')).error?.reason, 'UNAVAILABLE');
    await store.revive(skipped, { step: 'reach', result: 'by hand' });
    assert.equal((await stand.until(skipped, 'done')).result, 'by hand');
    await stand.until(again, 'dead');
    await store.revive(again);
    await waitFor(async () => ((await store.journalOf(again))[0]?.attempts ?? 0) >= 2, {
      timeoutMs: 60_000,
      what: 'it to be tried again',
    });
    await stand.until(again, 'dead');
    await store.cancel(again);
    await stand.until(again, 'cancelled');
  });

  it('give each submitter a turn', async () => {
    await stand.end('worker-a', 'SIGTERM');
    // Slowly, so that it is not the time that decides.
    for (let n = 0; n < 60; n++) await stand.submit('other', {}, 'many');
    const late = await stand.submit('other', {}, 'one');
    const ask = {
      worker: 'one',
      kinds: [{ kind: 'other', version: 1 }],
      limit: 20,
      forMs: 60_000,
      suspect: true,
    };
    const first = await store.claim(ask);
    assert.ok(first.some(({ id }) => id === late));
    const rest = [
      ...first,
      ...(await store.claim(ask)),
      ...(await store.claim(ask)),
      ...(await store.claim(ask)),
    ];
    assert.equal(rest.length, 61);
    await Promise.all(rest.map((claim) => store.release(claim, { to: 'done', result: null })));
  });

  it('lose no step and double no effect when workers are killed', async () => {
    const steps = 60;
    const ids = await Promise.all(Array.from({ length: 40 }, () => stand.submit('chain', { steps })));
    stand.startWorker('worker-b');
    stand.startWorker('worker-c');
    for (let kills = 0; kills < 6; kills++) {
      const before = stand.receivedCount();
      await waitFor(() => stand.receivedCount() > before, { timeoutMs: 60_000, what: 'progress' });
      const name = kills % 2 === 0 ? 'worker-b' : 'worker-c';
      await stand.end(name, 'SIGKILL');
      stand.startWorker(name);
    }
    for (const id of ids) {
      assert.equal((await stand.until(id, 'done', 120_000)).result, (steps * (steps + 1)) / 2);
      const names = (await store.journalOf(id)).map(({ name }) => name);
      assert.equal(names.length, steps);
      // A receiver that goes by tokens has got each effect once.
      assert.deepEqual(stand.receivedOf(id).toSorted(), names.toSorted());
    }
  });

  it('that kill their workers are put aside, and keep nobody else waiting', async () => {
    const poison = await stand.submit('poison');
    const good = await stand.submit('chain', { steps: 3 });
    const restart = setInterval(() => stand.restartDead(), 100);
    try {
      assert.equal((await stand.until(good, 'done')).result, 6);
      await stand.until(poison, 'dead');
    } finally {
      clearInterval(restart);
    }
    assert.equal((await stand.until(await stand.submit('chain', { steps: 2 }), 'done')).result, 3);
  });
});
