import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { createFileRegistry, fromBinary } from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { after, before, describe, it } from 'mocha';
import { TaskService, TaskState } from '#gen/sallyport/task/v1/task_pb.js';
import { ItemState, type WorkItem, WorkItemService } from '#gen/sallyport/task/v1/work_item_pb.js';
import { createGrpcClient, type GrpcClient } from '#kernel/rpc/grpc-client.ts';
import { waitFor } from '#kernel/time/wait-for.ts';
import { purgeTasks } from '#services/tasks/store/purge-tasks.ts';
import { keptClients } from '../kept-clients.ts';
import { ada, as, bob, failsAs, operator, type SecurityBench, securityBench } from '../security-bench.ts';
import { podAt } from '../security-pods.ts';
import { type WorkerProcess, workerProcess } from '../tasks/worker-process.ts';

const modules = [new URL('../tasks/people.ts', import.meta.url).pathname];
type Call = { readonly headers: Record<string, string> };

describe('work items', function () {
  this.timeout(240_000);
  let bench: SecurityBench;
  let tasks: GrpcClient<typeof TaskService>;
  let inbox: GrpcClient<typeof WorkItemService>;
  let elsewhere: GrpcClient<typeof WorkItemService>;
  let worker: WorkerProcess;
  let asAda: Call;
  let asBob: Call;
  const { keep, close } = keptClients();

  before(async () => {
    bench = await securityBench();
    const at = (n: number) => ({
      address: `unix:${podAt(bench.tier, n).connectSocket}`,
      defaultDeadlineMs: 60_000,
    });
    tasks = keep(createGrpcClient(TaskService, at(0)));
    inbox = keep(createGrpcClient(WorkItemService, at(0)));
    elsewhere = keep(createGrpcClient(WorkItemService, at(1)));
    worker = await workerProcess('worker-0', bench, { modules, poll: 300 });
    await worker.start();
    const person = async (who: typeof ada) => {
      const { token } = await bench.at().login(who);
      return { headers: { ...as('edge', 'edge-0'), authorization: `Bearer ${token}` } };
    };
    [asAda, asBob] = [await person(ada), await person(bob)];
  });
  after(async () => {
    close();
    await worker?.close();
    await bench?.close();
  });

  /** A task, and what it asks first. */
  const asked = async (fields: object = {}): Promise<{ id: string; item: WorkItem }> => {
    const input = { effects: join(bench.group.dir, 'effects'), ...fields };
    const { task } = await tasks.submitTask(
      { kind: 'request', inputJson: JSON.stringify(input), requestKey: randomUUID() },
      operator,
    );
    const id = task?.id ?? assert.fail();
    return { id, item: await itemOf(id) };
  };
  const itemOf = (taskId: string): Promise<WorkItem> =>
    waitFor(async () => (await inbox.listItems({ everybody: true, taskId }, operator)).items[0], {
      timeoutMs: 60_000,
      what: 'the work item',
    });
  const resultOf = (id: string): Promise<unknown> =>
    waitFor(
      async () => {
        const { task } = await tasks.getTask({ id }, operator);
        return task?.state === TaskState.OPEN
          ? undefined
          : [task?.state, task?.resultJson, task?.error?.message];
      },
      { timeoutMs: 60_000, what: 'the task to end' },
    );
  const key = () => ({ requestKey: randomUUID() });
  const yes = JSON.stringify({ decision: 'DECISION_APPROVE', comment: 'gladly' });

  it('stand in the inbox of those who are asked, with a form that describes itself', async () => {
    const { id, item } = await asked({ to: { groups: ['staff'] } });
    const { items } = await inbox.listItems({}, asAda);
    assert.ok(items.some((each) => each.id === item.id));
    const hers = (await elsewhere.getItem({ id: item.id }, asAda)).item ?? assert.fail();
    assert.deepEqual(
      [hers.title, hers.detailsJson, hers.candidates, hers.state],
      ['May this be?', '{"what":"a test"}', ['group/staff'], ItemState.OPEN],
    );
    const form = await inbox.getForm({ formId: hers.formId }, asAda);
    const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, form.descriptorSet));
    assert.deepEqual(
      registry.getMessage(form.type)?.fields.map(({ name }) => name),
      ['decision', 'comment'],
    );
    const { item: notBobs } = await asked({ to: { users: ['Ada'] } });
    assert.ok(!(await inbox.listItems({}, asBob)).items.some((each) => each.id === notBobs.id));
    await assert.rejects(inbox.getItem({ id: notBobs.id }, asBob), failsAs('NOT_FOUND'));
    await assert.rejects(inbox.listItems({ everybody: true }, asBob), failsAs('CALLER_NOT_ALLOWED'));
    // The task ends: nobody is asked any more.
    await tasks.cancelTask({ id }, operator);
    await resultOf(id);
    assert.equal((await inbox.getItem({ id: item.id }, operator)).item?.state, ItemState.WITHDRAWN);
    await assert.rejects(inbox.claimItem({ id: item.id }, asAda), failsAs('ITEM_ENDED'));
  });

  it('are completed by what fits their form, and the task goes on with it', async () => {
    const { id, item } = await asked();
    const done = { ...key(), id: item.id, version: 0 };
    const no = JSON.stringify({ decision: 'DECISION_UNSPECIFIED' });
    await assert.rejects(inbox.completeItem({ ...done, formJson: no }, asAda), failsAs('INVALID_FIELD'));
    await assert.rejects(
      inbox.completeItem({ ...done, formJson: '{"x":1}' }, asAda),
      failsAs('INVALID_FIELD'),
    );
    await assert.rejects(inbox.completeItem({ ...done, formJson: '{' }, asAda), failsAs('INVALID_FIELD'));
    // Who sees everybody's does not say yes for them.
    await assert.rejects(
      inbox.completeItem({ ...done, formJson: yes }, operator),
      failsAs('CALLER_NOT_ALLOWED'),
    );
    const first = await inbox.completeItem({ ...done, formJson: yes }, asAda);
    assert.deepEqual([first.item?.state, first.item?.completedBy], [ItemState.DONE, 'person/ada']);
    // As after an answer that was lost.
    const repeated = await elsewhere.completeItem({ ...done, formJson: yes }, asAda);
    assert.equal(repeated.item?.state, ItemState.DONE);
    await assert.rejects(
      inbox.completeItem({ ...key(), id: item.id, version: 0, formJson: yes }, asBob),
      failsAs('ITEM_ENDED'),
    );
    const desk = await itemOf(id);
    assert.notEqual(desk.id, item.id);
    await inbox.completeItem({ ...key(), id: desk.id, version: 0, formJson: yes }, asBob);
    const [state, result] = (await resultOf(id)) as [TaskState, string];
    assert.equal(state, TaskState.DONE);
    assert.deepEqual(JSON.parse(result), { by: 'person/ada', comment: 'gladly', why: 'gladly' });
  });

  it('are refused by the requester, and end the task when they are refused', async () => {
    const { id, item } = await asked({ except: ['ADA'] });
    await assert.rejects(
      inbox.completeItem({ ...key(), id: item.id, version: 0, formJson: yes }, asAda),
      failsAs('CALLER_NOT_ALLOWED'),
    );
    await assert.rejects(
      inbox.delegateItem({ id: item.id, to: 'ada' }, operator),
      failsAs('CALLER_NOT_ALLOWED'),
    );
    const no = JSON.stringify({ decision: 'DECISION_REJECT', comment: 'not now' });
    await inbox.completeItem({ ...key(), id: item.id, version: 0, formJson: no }, asBob);
    const [state, , why] = (await resultOf(id)) as [TaskState, string, string];
    assert.deepEqual([state, why], [TaskState.FAILED, 'not now']);
  });

  it('are reserved, given back, and handed on', async () => {
    const { id, item } = await asked();
    const it = { id: item.id };
    assert.equal((await inbox.claimItem(it, asAda)).item?.claimedBy, 'person/ada');
    await assert.rejects(elsewhere.claimItem(it, asBob), failsAs('ITEM_TAKEN'));
    assert.ok(!(await inbox.listItems({}, asBob)).items.some((each) => each.id === item.id));
    await assert.rejects(
      inbox.completeItem({ ...key(), ...it, version: 0, formJson: yes }, asBob),
      failsAs('ITEM_TAKEN'),
    );
    await inbox.releaseItem(it, asAda);
    await inbox.claimItem(it, asBob);
    await assert.rejects(inbox.delegateItem({ ...it, to: 'nobody' }, asBob), failsAs('NOT_FOUND'));
    assert.equal((await inbox.delegateItem({ ...it, to: 'Ada' }, asBob)).item?.claimedBy, 'person/ada');
    // An operator hands on what others have reserved.
    assert.equal((await inbox.delegateItem({ ...it, to: 'bob' }, operator)).item?.claimedBy, 'person/bob');
    await inbox.delegateItem({ ...it, to: 'bob' }, operator);
    const { handed = [] } = (await inbox.getItem(it, asBob)).item ?? {};
    assert.deepEqual(
      handed.map(({ by, to }) => [by, to]),
      [
        ['person/bob', 'person/ada'],
        ['operator/test', 'person/bob'],
      ],
    );
    assert.ok(handed.every(({ at }) => at !== undefined));
    await tasks.cancelTask({ id }, operator);
  });

  it('keep what is being typed, whoever dies, and tell those who type at the same time', async () => {
    const { id, item } = await asked();
    const half = { id: item.id, version: 0, draftJson: JSON.stringify({ comment: 'well, I thi' }), ...key() };
    assert.equal((await inbox.saveDraft(half, asAda)).version, 1);
    assert.equal((await elsewhere.saveDraft(half, asAda)).version, 1, 'the same draft, said again');
    await assert.rejects(
      inbox.saveDraft({ ...half, ...key(), draftJson: JSON.stringify({ comment: 'mine' }) }, asBob),
      failsAs('DRAFT_CHANGED'),
    );
    await assert.rejects(
      inbox.saveDraft({ ...half, ...key(), version: 1, draftJson: '{"y":1}' }, asBob),
      failsAs('INVALID_FIELD'),
    );
    await assert.rejects(
      inbox.completeItem({ ...key(), id: item.id, version: 0, formJson: yes }, asBob),
      failsAs('DRAFT_CHANGED'),
    );
    await Promise.all([podAt(bench.tier, 0).end('SIGKILL'), worker.end('SIGKILL')]);
    await Promise.all([podAt(bench.tier, 0).start(), worker.start()]);
    const kept = (await elsewhere.getItem({ id: item.id }, asBob)).item;
    assert.deepEqual(
      [kept?.draftJson, kept?.draftVersion, kept?.draftBy],
      [JSON.stringify({ comment: 'well, I thi' }), 1, 'person/ada'],
    );
    const next = { id: item.id, version: 1, draftJson: yes, ...key() };
    assert.equal((await inbox.saveDraft(next, asBob)).version, 2);
    // The draft as it is.
    await inbox.completeItem({ ...key(), id: item.id, version: 2, formJson: '' }, asAda);
    assert.notEqual((await itemOf(id)).id, item.id);
    await tasks.cancelTask({ id }, operator);
  });

  it('are deleted with their task, a while after its end', async () => {
    const { id, item } = await asked();
    const left = await asked();
    await tasks.cancelTask({ id }, operator);
    await resultOf(id);
    assert.equal(await bench.db.read((on) => purgeTasks(on, 3_600_000, 100)), 0);
    await waitFor(async () => (await bench.db.read((on) => purgeTasks(on, 0, 100))) > 0, {
      timeoutMs: 60_000,
      what: 'it to have ended a while ago',
    });
    await assert.rejects(tasks.getTask({ id }, operator), failsAs('NOT_FOUND'));
    await assert.rejects(inbox.getItem({ id: item.id }, operator), failsAs('NOT_FOUND'));
    assert.equal((await inbox.getItem({ id: left.item.id }, operator)).item?.state, ItemState.OPEN);
    await tasks.cancelTask({ id: left.id }, operator);
  });

  it('are escalated when nobody does them, and withdrawn when their time is over', async () => {
    const late = await asked({ to: { users: ['ada'] }, escalateMs: 200 });
    await waitFor(
      async () =>
        (await inbox.listItems({}, asBob)).items.some(
          ({ id, escalated }) => id === late.item.id && escalated,
        ),
      { timeoutMs: 60_000, what: 'bob to be asked, too' },
    );
    await inbox.completeItem({ ...key(), id: late.item.id, version: 0, formJson: yes }, asBob);
    const { id, item } = await asked({ withinMs: 200 });
    const [state, result] = (await resultOf(id)) as [TaskState, string];
    assert.deepEqual([state, result], [TaskState.DONE, '"nobody said anything"']);
    assert.equal((await inbox.getItem({ id: item.id }, operator)).item?.state, ItemState.EXPIRED);
    await tasks.cancelTask({ id: late.id }, operator);
  });
});
