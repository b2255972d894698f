import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'mocha';
import { waitFor } from '#kernel/time/wait-for.ts';
import { cli } from '../cli-runner.ts';
import { received } from '../drills/scenarios/effects.ts';
import { runScenarios } from '../drills/scenarios/run-scenarios.ts';
import { scenarios } from '../drills/scenarios/scenarios.ts';
import { World } from '../drills/scenarios/world.ts';
import { removeState, temporaryState } from '../mesh-state.ts';

/** Eight scenarios in which a node dies, with session persistence, as `npm run drills -- scenarios` runs them with and without. */
describe('a node dies', function () {
  this.timeout(590_000);

  it('and nobody sees it, nothing is lost, and nothing is had twice, in eight scenarios of eight', async () => {
    const told: string[] = [];
    const numbers = scenarios.map(({ number }) => number);
    const { rows, errors } = await runScenarios(['on'], numbers, {
      signal: new AbortController().signal,
      progress: (line) => told.push(line),
    });
    const last = told.slice(-40).join('\n');
    assert.deepEqual(errors, [], last);
    assert.equal(rows.length, scenarios.length);
    for (const { number, logins, lost, doubled } of rows)
      assert.deepEqual({ number, logins, lost, doubled }, { number, logins: 0, lost: 0, doubled: 0 }, last);
  });
});

/** What people type for tasks, on a mesh whose first node has just died. */
describe('tasks and inbox on the command line', function () {
  this.timeout(400_000);
  let world: World;
  let dir: string;

  before(async () => {
    dir = temporaryState();
    world = await World.start('on', () => {});
  });
  after(async () => {
    await world?.close();
    removeState(dir);
  });

  const state = (): string[] => ['--state', world.mesh.stateDir];
  const ok = async (...args: string[]): Promise<Record<string, unknown>> => {
    const { code, said } = await cli(...args, ...state(), '--json');
    assert.equal(code, 0, said);
    return JSON.parse(said.trimEnd().split('\n').at(-1) ?? '') as Record<string, unknown>;
  };
  const itemOf = (task: string): Promise<string> =>
    waitFor(
      async () => {
        const all = await ok('inbox', 'list', '--everybody', '--task', task);
        return (all as { items: { id: string }[] }).items[0]?.id;
      },
      { timeoutMs: 60_000, what: 'the work item' },
    );
  const logIn = async (): Promise<void> => {
    const password = join(dir, 'password');
    writeFileSync(password, world.bert.password);
    await ok('login', 'bert', '--password-file', password);
  };

  it('are for operators and people alike, whatever dies', async () => {
    const input = join(dir, 'input.json');
    writeFileSync(input, JSON.stringify({ effects: world.effects, steps: 2, approver: 'bert' }));
    const { items: kinds } = (await ok('tasks', 'kinds')) as { items: { kind: string }[] };
    assert.ok(kinds.some(({ kind }) => kind === 'drill'));
    const submit = ['tasks', 'submit', 'drill', '--input', input, '--key', 'a-new-colleague'];
    const { task } = (await ok(...submit)) as { task: { id: string } };
    const item = await itemOf(task.id);
    // Sees it, and cannot say yes for bert.
    const forged = await cli('inbox', 'complete', item, '--set', 'decision=approve', ...state());
    assert.match(forged.said, /error CALLER_NOT_ALLOWED/);
    world.killNodeOf('sec-0');
    await logIn();
    await ok('inbox', 'claim', item);
    await ok('inbox', 'draft', item, '--set', 'comment=well, I thi');
    const shown = (await ok('inbox', 'show', item)) as { item: { draftJson: string; claimedBy: string } };
    assert.deepEqual(
      [shown.item.draftJson, shown.item.claimedBy],
      ['{"comment":"well, I thi"}', 'person/bert'],
    );
    assert.match((await cli('inbox', 'complete', item, ...state())).said, /error INVALID_FIELD.*decision/);
    await ok('inbox', 'complete', item, '--set', 'decision=approve', '--set', 'comment=gladly');
    await ok('logout');
    await ok('tasks', 'watch', task.id);
    const again = (await ok(...submit)) as { created: boolean; task: { id: string; resultJson: string } };
    assert.deepEqual([again.created, again.task.id], [false, task.id]);
    assert.deepEqual(JSON.parse(again.task.resultJson), { steps: 2, by: 'person/bert' });
  });

  it('begin by the clock, ask, and go on when their worker dies', async () => {
    await world.mesh.waitUp();
    const steps = 6;
    const input = JSON.stringify({ effects: world.effects, steps, approver: 'bert' });
    const name = 'new-colleagues';
    await ok('schedules', 'add', name, '--kind', 'drill', '--cron', '* * * * * *', '--input', input);
    const id = await world.begunBy(name);
    // The next one waits for this one's end.
    await ok('schedules', 'remove', name);
    const item = await itemOf(id);
    await logIn();
    await ok('inbox', 'complete', item, '--set', 'decision=approve');
    await ok('logout');
    await world.reaches(id, 3);
    world.killNodeOf(await world.workerOf(id));
    await ok('tasks', 'watch', id);
    const { had, doubled } = received(world.effects, id);
    assert.deepEqual({ had, doubled }, { had: steps, doubled: 0 });
  });

  it('leave reports that print on paper', async () => {
    await world.mesh.waitUp();
    const input = JSON.stringify({ of: 'users', as: 'html' });
    await ok('schedules', 'add', 'who', '--kind', 'report', '--cron', '0 6 * * 1', '--input', input);
    const { taskId } = (await ok('schedules', 'run', 'who')) as { taskId: string };
    await ok('tasks', 'watch', taskId);
    const file = join(dir, 'who.html');
    await ok('schedules', 'report', taskId, '--out', file);
    const page = readFileSync(file, 'utf8');
    assert.ok(page.includes('<td>bert</td>') && page.endsWith('</html>\n'), page);
  });
});
