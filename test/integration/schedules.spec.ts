import assert from 'node:assert/strict';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { sql } from 'kysely';
import { after, before, describe, it } from 'mocha';
import { MissedRuns, ScheduleSpecSchema } from '#gen/sallyport/task/v1/schedule_pb.js';
import { waitFor } from '#kernel/time/wait-for.ts';
import {
  listSchedules,
  pauseSchedule,
  putSchedule,
  removeSchedule,
  runSchedule,
} from '#services/tasks/schedules/schedule-store.ts';
import { TaskStand } from '../tasks/stand.ts';

describe('schedules on a real database', function () {
  this.timeout(300_000);
  let stand: TaskStand;
  const spec = (more: MessageInitShape<typeof ScheduleSpecSchema> = {}) =>
    create(ScheduleSpecSchema, {
      ...{
        cron: '0 3 * * *',
        kind: 'chain',
        inputJson: JSON.stringify({ steps: 1, effects: stand.effects }),
      },
      ...more,
    });
  const put = (name: string, more?: MessageInitShape<typeof ScheduleSpecSchema>, revision = 0) =>
    stand.db.tx((trx) => putSchedule(trx, { name, spec: spec(more), revision, by: 'tests' }));
  const pause = (name: string, paused = true) =>
    stand.db.tx((trx) => pauseSchedule(trx, name, paused, 'tests'));
  const find = async (name: string) => {
    const [found] = await stand.db.read((on) => listSchedules(on, name));
    assert.ok(found);
    return found;
  };
  /** Tasks of a schedule, in the order in which they were begun. */
  const begun = (name: string) =>
    stand.db.read((on) =>
      on
        .selectFrom('tasks')
        .select(['id', 'state', 'created_ms', 'ended_ms'])
        .where('submitter', '=', `schedule/${name}`)
        .orderBy('created_ms')
        .execute(),
    );
  const until = (what: string, done: () => Promise<boolean>) => waitFor(done, { timeoutMs: 120_000, what });
  /** As if nobody had looked for so long. */
  const missed = (name: string, ms: number) =>
    stand.db.tx((trx) =>
      sql`update schedules set paused = 0, planned_ms = planned_ms - ${ms}, due_ms = planned_ms where name = ${name}`.execute(
        trx,
      ),
    );

  before(async () => {
    stand = await TaskStand.start(1);
  });

  after(() => stand?.close());

  it('are put, changed, paused and removed', async () => {
    await put('nightly', { timeZone: 'Europe/Berlin' });
    await assert.rejects(put('nightly'), { reason: 'ALREADY_EXISTS' });
    await assert.rejects(put('nightly', { cron: '0 4 * * *' }, 7), { reason: 'SCHEDULE_INVALID' });
    await assert.rejects(put('bad', { cron: 'at noon' }), { reason: 'SCHEDULE_INVALID' });
    await assert.rejects(put('bad', { inputJson: '{' }), { reason: 'SCHEDULE_INVALID' });
    await assert.rejects(put('gone', {}, 1), { reason: 'NOT_FOUND' });
    const first = await find('nightly');
    assert.ok(
      first.planned_ms !== null && first.planned_ms > Date.now() && first.due_ms === first.planned_ms,
    );
    await put('nightly', { cron: '0 4 * * *', jitterSeconds: 600 }, 1);
    const changed = await find('nightly');
    assert.equal(changed.revision, 2);
    assert.ok(changed.due_ms !== null && changed.planned_ms !== null && changed.due_ms >= changed.planned_ms);
    await pause('nightly');
    assert.equal((await find('nightly')).paused, 1);
    await stand.db.tx((trx) => removeSchedule(trx, 'nightly'));
    await assert.rejects(pause('nightly'), { reason: 'NOT_FOUND' });
  });

  it('begin each time once, whoever dies, and never two at a time', async () => {
    await put('often', { cron: '* * * * * *', missed: MissedRuns.ALL, keep: 100 });
    for (const name of ['worker-a', 'worker-b']) stand.startWorker(name);
    for (let kills = 0; kills < 2; kills++) {
      const count = (await begun('often')).length;
      await until('runs', async () => (await begun('often')).length >= count + 2);
      const name = kills % 2 === 0 ? 'worker-a' : 'worker-b';
      await stand.end(name, 'SIGKILL');
      stand.startWorker(name);
    }
    await pause('often');
    await until('the end of the last', async () =>
      (await begun('often')).every(({ state }) => state === 'done'),
    );
    const runs = await begun('often');
    for (const [n, { created_ms }] of runs.entries()) {
      assert.ok(n === 0 || Number(runs[n - 1]?.ended_ms) <= Number(created_ms), 'two at a time');
    }
    // One effect for each, of a receiver that goes by tokens.
    for (const { id } of runs) assert.deepEqual(stand.receivedOf(id), ['step 1']);
  });

  it('make up for what was missed as they say', async () => {
    const minute = 60_000;
    const cases = [
      ['skips', MissedRuns.SKIP, 0],
      ['once', MissedRuns.ONCE, 1],
      ['all', MissedRuns.ALL, 3],
    ] as const;
    for (const [name, rule] of cases) {
      // Every ten minutes, half an hour ago: the last one is ten minutes late at most, and two at least.
      await put(name, {
        cron: `${(new Date().getUTCMinutes() + 8) % 10}-59/10 * * * *`,
        missed: rule,
        keep: 3,
      });
      await pause(name);
      await missed(name, 60 * minute);
    }
    for (const [name, , count] of cases) {
      await until(`${name} to go on`, async () => ((await find(name)).planned_ms ?? 0) > Date.now());
      await until(`${name} to end`, async () => (await begun(name)).every(({ state }) => state === 'done'));
      assert.equal((await begun(name)).length, count, name);
    }
  });

  it('run by hand, but not beside a run that goes on', async () => {
    await put('by-hand', { kind: 'asks' });
    const run = (key: string) => stand.db.tx((trx) => runSchedule(trx, 'by-hand', key, () => 1));
    const id = await run('one');
    assert.equal(await run('one'), id);
    await assert.rejects(run('two'), { reason: 'SCHEDULE_BUSY' });
    await stand.store.message(id, 'answer', 'yes');
    await stand.until(id, 'done');
    assert.notEqual(await run('two'), id);
    await assert.rejects(
      stand.db.tx((trx) => runSchedule(trx, 'by-hand', 'three', () => undefined)),
      { reason: 'SCHEDULE_BUSY' },
    );
  });

  it('run where they are bound to, and wait while nobody is there', async () => {
    await put('bound', { hosts: ['worker-z', 'worker-y'] });
    const id = await stand.db.tx((trx) => runSchedule(trx, 'bound', 'one', () => 1));
    // Others go past it.
    for (let n = 0; n < 3; n++) await stand.until(await stand.submit('chain', { steps: 1 }), 'done');
    assert.equal((await stand.store.find(id))?.state, 'open');
    assert.deepEqual(stand.receivedOf(id), []);
    stand.startWorker('worker-y');
    await stand.until(id, 'done');
  });
});
