import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'mocha';
import type { Db } from '#kernel/db/db.ts';
import { migrate } from '#kernel/db/migrate.ts';
import { kernelMigrations } from '#kernel/db/migrations.ts';
import { openDb } from '#kernel/db/open-db.ts';
import { waitFor } from '#kernel/time/wait-for.ts';
import { taskMigrations } from '#services/tasks/store/migrations-tasks.ts';
import { type ClosableTaskStore, mysqlTaskStore } from '#services/tasks/store/mysql-task-store.ts';
import type { TaskTables } from '#services/tasks/store/tables.ts';
import type { ClaimedTask, TaskInfo } from '#services/tasks/store/task-store.ts';
import { type DbGroup, startDbGroup } from '../db-group.ts';

const workerScript = new URL('../tasks/worker.ts', import.meta.url).pathname;

describe('tasks on a real database', function () {
  this.timeout(240_000);
  let group: DbGroup;
  let db: Db<TaskTables>;
  let store: ClosableTaskStore;
  let effects: string;
  const workers = new Map<string, ChildProcess>();
  let keys = 0;

  before(async () => {
    group = await startDbGroup({ pods: 1 });
    await group.online();
    effects = join(group.dir, 'effects');
    const socketPath = group.rwSocket;
    const owner = openDb<TaskTables>({ socketPath, user: 'migrate', password: group.passwords.migrate });
    await migrate(owner, [...kernelMigrations, ...taskMigrations]);
    await owner.close();
    db = openDb<TaskTables>({ socketPath, user: 'sallyport', password: group.passwords.app });
    store = mysqlTaskStore(db);
  });

  after(async () => {
    for (const name of workers.keys()) await end(name, 'SIGKILL');
    await store?.close();
    await db?.close();
    await group?.close();
  });

  const start = (name: string): void => {
    const args = [workerScript, name, group.rwSocket, 'sallyport', group.passwords.app];
    workers.set(name, spawn(process.execPath, args, { stdio: ['ignore', 'inherit', 'inherit'] }));
  };
  const end = async (name: string, signal: 'SIGKILL' | 'SIGTERM'): Promise<void> => {
    const child = workers.get(name);
    workers.delete(name);
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    child.kill(signal);
    await once(child, 'exit');
  };
  const submit = async (kind: string, fields: object = {}, submitter = 'tests'): Promise<string> => {
    const input = { effects, ...fields };
    const { id } = await store.submit({ kind, version: 1, input, submitter, requestKey: `key ${keys++}` });
    return id;
  };
  const until = async (id: string, state: TaskInfo['state']): Promise<TaskInfo> => {
    let info: TaskInfo | undefined;
    await waitFor(
      async () => {
        info = await store.find(id);
        return info?.state === state;
      },
      { timeoutMs: 60_000, what: `task ${id} to be ${state}` },
    );
    assert.ok(info);
    return info;
  };
  /** Effects of a task, by token: what they were, and how often they were begun. */
  const effectsOf = (id: string): Map<string, { what: string; times: number }> => {
    const found = new Map<string, { what: string; times: number }>();
    const text = existsSync(effects) ? readFileSync(effects, 'utf8') : '';
    for (const line of text.split('\n').filter((each) => each.startsWith(`${id} `))) {
      const token = line.split(' ').at(-1) ?? '';
      const what = line.slice(id.length + 1, -token.length - 1);
      found.set(token, { what, times: (found.get(token)?.times ?? 0) + 1 });
    }
    return found;
  };
  const effectsIn = (id: string): string[] => [...effectsOf(id).values()].map(({ what }) => what);

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
    const id = await submit('other', {});
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
    const id = await submit('other', {});
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
    start('worker-a');
    const [yes, no, cancelled] = await Promise.all([submit('asks'), submit('asks'), submit('asks')]);
    const all = [yes, no, cancelled] as const;
    await waitFor(() => all.every((id) => effectsIn(id).includes('book')), {
      timeoutMs: 60_000,
      what: 'bookings',
    });
    await store.message(yes, 'answer', 'yes');
    await store.message(yes, 'answer', 'no');
    await store.message(no, 'answer', 'no');
    await store.cancel(cancelled);
    assert.deepEqual((await until(yes, 'done')).result, { said: 'yes', sum: 3 });
    assert.equal((await until(no, 'failed')).error?.reason, 'CALLER_NOT_ALLOWED');
    await until(cancelled, 'cancelled');
    assert.deepEqual(effectsIn(yes), ['book']);
    for (const id of [no, cancelled]) assert.deepEqual(effectsIn(id), ['book', 'unbook']);
  });

  it('are put aside when nothing helps, and go on when somebody helps', async () => {
    const [skipped, again] = await Promise.all([submit('stuck'), submit('stuck')]);
    assert.equal((await until(skipped, 'dead')).error?.reason, 'UNAVAILABLE');
    await store.revive(skipped, { step: 'reach', result: 'by hand' });
    assert.equal((await until(skipped, 'done')).result, 'by hand');
    await until(again, 'dead');
    await store.revive(again);
    await waitFor(async () => ((await store.journalOf(again))[0]?.attempts ?? 0) >= 2, {
      timeoutMs: 60_000,
      what: 'it to be tried again',
    });
    await until(again, 'dead');
    await store.cancel(again);
    await until(again, 'cancelled');
  });

  it('give each submitter a turn', async () => {
    await end('worker-a', 'SIGTERM');
    await Promise.all(Array.from({ length: 60 }, () => submit('other', {}, 'many')));
    const late = await submit('other', {}, 'one');
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
    const ids = await Promise.all(Array.from({ length: 40 }, () => submit('chain', { steps: 25 })));
    start('worker-b');
    start('worker-c');
    const done = async (): Promise<number> =>
      (await Promise.all(ids.map((id) => store.find(id)))).filter((each) => each?.state === 'done').length;
    for (let kills = 0; kills < 6; kills++) {
      const before = ids.reduce((sum, id) => sum + effectsOf(id).size, 0);
      if (before === 1000) break;
      await waitFor(() => ids.reduce((sum, id) => sum + effectsOf(id).size, 0) > before, {
        timeoutMs: 60_000,
        what: 'progress',
      });
      const name = kills % 2 === 0 ? 'worker-b' : 'worker-c';
      await end(name, 'SIGKILL');
      start(name);
    }
    await waitFor(async () => (await done()) === ids.length, { timeoutMs: 120_000, what: 'all to be done' });
    for (const id of ids) {
      assert.equal((await store.find(id))?.result, 325);
      const journal = await store.journalOf(id);
      assert.equal(journal.length, 25);
      // A receiver that goes by tokens has got each effect once.
      assert.deepEqual(effectsIn(id).toSorted(), journal.map(({ name }) => name).toSorted());
    }
  });

  it('that kill their workers are put aside, and keep nobody else waiting', async () => {
    const poison = await submit('poison');
    const good = await submit('chain', { steps: 3 });
    const restart = setInterval(() => {
      for (const [name, child] of workers) if (child.signalCode !== null) start(name);
    }, 100);
    try {
      assert.equal((await until(good, 'done')).result, 6);
      await until(poison, 'dead');
    } finally {
      clearInterval(restart);
    }
    assert.equal((await until(await submit('chain', { steps: 2 }), 'done')).result, 3);
  });
});
