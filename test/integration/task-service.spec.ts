import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'mocha';
import { type Task, TaskService, TaskState } from '#gen/sallyport/task/v1/task_pb.js';
import { createGrpcClient, type GrpcClient } from '#kernel/rpc/grpc-client.ts';
import { waitFor } from '#kernel/time/wait-for.ts';
import { keptClients } from '../kept-clients.ts';
import { ada, as, bob, failsAs, operator, type SecurityBench, securityBench } from '../security-bench.ts';
import { podAt } from '../security-pods.ts';
import { type WorkerProcess, workerProcess } from '../tasks/worker-process.ts';

const modules = [new URL('../tasks/people.ts', import.meta.url).pathname];

describe('tasks by their service', function () {
  this.timeout(240_000);
  let bench: SecurityBench;
  let tasks: GrpcClient<typeof TaskService>;
  let elsewhere: GrpcClient<typeof TaskService>;
  let worker: WorkerProcess;
  let effects: string;
  let keys = 0;
  const { keep, close } = keptClients();

  before(async () => {
    bench = await securityBench();
    const at = (n: number) =>
      keep(
        createGrpcClient(TaskService, {
          address: `unix:${podAt(bench.tier, n).connectSocket}`,
          defaultDeadlineMs: 60_000,
        }),
      );
    [tasks, elsewhere] = [at(0), at(1)];
    effects = join(bench.group.dir, 'effects');
    worker = await workerProcess('worker-0', bench, { modules, poll: 300 });
    await worker.start();
  });
  after(async () => {
    close();
    await worker?.close();
    await bench?.close();
  });

  const person = async (who: typeof ada) => {
    const { token } = await bench.at().login(who);
    return { headers: { ...as('edge', 'edge-0'), authorization: `Bearer ${token}` } };
  };
  const chain = (steps: number) => ({
    kind: 'chain',
    inputJson: JSON.stringify({ steps, effects }),
    requestKey: `test-key-${keys++}`,
  });
  const taskOf = async (id: string): Promise<Task> =>
    (await tasks.getTask({ id }, operator)).task ?? assert.fail();
  const until = (id: string, state: TaskState) =>
    waitFor(async () => (await taskOf(id)).state === state, {
      timeoutMs: 120_000,
      what: `${id} to be ${state}`,
    });

  it('says what can be submitted, and refuses the rest', async () => {
    const { kinds } = await tasks.listKinds({}, operator);
    assert.deepEqual(
      kinds.filter(({ forAnyone }) => forAnyone).map(({ kind }) => kind),
      ['access-request', 'device-enrolment', 'request'],
    );
    await assert.rejects(
      tasks.submitTask({ ...chain(1), kind: 'unheard-of' }, operator),
      failsAs('TASK_KIND_UNKNOWN'),
    );
    await assert.rejects(
      tasks.submitTask({ ...chain(1), inputJson: '{' }, operator),
      failsAs('INVALID_FIELD'),
    );
    await assert.rejects(
      tasks.submitTask({ ...chain(1), requestKey: '' }, operator),
      failsAs('INVALID_FIELD'),
    );
  });

  it('tells workers at once, wherever a task is submitted, and gives the same one for the same key', async () => {
    // Instead of one that looks by itself: this one would look too late.
    await worker.end('SIGTERM');
    const listener = await workerProcess('worker-1', bench, { modules, poll: 60_000 });
    await listener.start();
    const request = chain(3);
    const { task } = await elsewhere.submitTask(request, operator);
    const id = task?.id ?? assert.fail();
    const told: string[] = [];
    for await (const { kind } of tasks.watchTask({ id }, { ...operator, timeoutMs: 50_000 }).responses) {
      if (kind.case === 'entry') told.push(kind.value.name);
    }
    assert.deepEqual(told.toSorted(), ['step 1', 'step 2', 'step 3']);
    const again = await tasks.submitTask(request, operator);
    assert.deepEqual([again.created, again.task?.id, again.task?.resultJson], [false, id, '6']);
    await assert.rejects(
      tasks.submitTask({ ...request, inputJson: '1' }, operator),
      failsAs('REQUEST_KEY_REUSED'),
    );
    await worker.start();
    await listener.close();
  });

  it('goes on telling where a watch broke off', async () => {
    const { task } = await tasks.submitTask(chain(4), operator);
    const id = task?.id ?? assert.fail();
    await until(id, TaskState.DONE);
    const all: { name: string; position: bigint }[] = [];
    for await (const { kind, position } of tasks.watchTask({ id }, operator).responses)
      if (kind.case === 'entry') all.push({ name: kind.value.name, position });
    const from = all[2] ?? assert.fail();
    const rest: string[] = [];
    for await (const { kind } of elsewhere.watchTask({ id, position: from.position }, operator).responses)
      if (kind.case === 'entry') rest.push(kind.value.name);
    // What was written at that very millisecond is told again.
    assert.deepEqual(
      rest,
      all.filter(({ position }) => position >= from.position).map(({ name }) => name),
    );
  });

  it('shows people and services what is theirs, and operators everything', async () => {
    const [byAda, byBob] = [await person(ada), await person(bob)];
    const service = { headers: as('service', 'svc-0') };
    const request = { ...chain(1), kind: 'request' };
    await assert.rejects(tasks.submitTask(chain(1), byAda), failsAs('CALLER_NOT_ALLOWED'));
    await assert.rejects(tasks.submitTask(chain(1), service), failsAs('CALLER_NOT_ALLOWED'));
    const hers = (await tasks.submitTask(request, byAda)).task ?? assert.fail();
    const its = (await tasks.submitTask(request, service)).task ?? assert.fail();
    assert.notEqual(hers.id, its.id);
    assert.deepEqual([hers.submitter, its.submitter], ['person/ada', 'service/svc-0']);
    await assert.rejects(tasks.getTask({ id: hers.id }, byBob), failsAs('NOT_FOUND'));
    await assert.rejects(tasks.cancelTask({ id: hers.id }, service), failsAs('NOT_FOUND'));
    await assert.rejects(
      tasks.signalTask({ id: hers.id, name: 'x', valueJson: '1' }, byAda),
      failsAs('CALLER_NOT_ALLOWED'),
    );
    await assert.rejects(
      tasks.signalTask({ id: hers.id, name: 'ask manager', valueJson: '1' }, operator),
      failsAs('INVALID_FIELD'),
    );
    const ids = async (call: typeof operator) => (await tasks.listTasks({}, call)).tasks.map(({ id }) => id);
    assert.deepEqual(await ids(byAda), [hers.id]);
    assert.deepEqual(await ids(byBob), []);
    assert.ok((await ids(operator)).length > 2);
    await tasks.cancelTask({ id: hers.id }, byAda);
    await until(hers.id, TaskState.CANCELLED);
    await tasks.cancelTask({ id: its.id }, operator);
    await until(its.id, TaskState.CANCELLED);
    const first = await tasks.listTasks({ pageSize: 1 }, operator);
    const second = await tasks.listTasks({ pageSize: 1, pageToken: first.nextPageToken }, operator);
    assert.equal(second.tasks.length, 1);
    assert.notEqual(second.tasks[0]?.id, first.tasks[0]?.id);
    await assert.rejects(tasks.listTasks({ pageToken: 'x' }, operator), failsAs('INVALID_FIELD'));
  });

  it('signals, retries and skips', async () => {
    const asks = (await tasks.submitTask({ ...chain(1), kind: 'asks' }, operator)).task ?? assert.fail();
    const stuck = (await tasks.submitTask({ ...chain(1), kind: 'stuck' }, operator)).task ?? assert.fail();
    await tasks.signalTask({ id: asks.id, name: 'answer', valueJson: '"yes"' }, operator);
    await until(stuck.id, TaskState.DEAD);
    await tasks.retryTask({ id: stuck.id }, operator);
    await until(stuck.id, TaskState.DEAD);
    await tasks.skipStep({ id: stuck.id, step: 'reach', resultJson: '"by hand"' }, operator);
    await until(stuck.id, TaskState.DONE);
    await until(asks.id, TaskState.DONE);
    assert.deepEqual(JSON.parse((await taskOf(asks.id)).resultJson), { said: 'yes', sum: 3 });
    await assert.rejects(tasks.retryTask({ id: stuck.id }, operator), failsAs('TASK_ENDED'));
  });

  it('gives the result of the one execution when whoever executes it, and whoever was asked, are killed', async () => {
    const request = chain(40);
    const { task } = await tasks.submitTask(request, operator);
    const id = task?.id ?? assert.fail();
    await worker.end('SIGKILL');
    await podAt(bench.tier, 1).end('SIGKILL');
    await Promise.all([worker.start(), podAt(bench.tier, 1).start()]);
    const again = await elsewhere.submitTask(request, operator);
    assert.deepEqual([again.created, again.task?.id], [false, id]);
    await until(id, TaskState.DONE);
    assert.equal((await taskOf(id)).resultJson, String((40 * 41) / 2));
  });
});
