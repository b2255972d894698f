import { randomUUID } from 'node:crypto';
import { DeviceService } from '#gen/sallyport/device/v1/device_pb.js';
import { TaskState } from '#gen/sallyport/task/v1/task_pb.js';
import { WorkItemService } from '#gen/sallyport/task/v1/work_item_pb.js';
import { waitFor } from '#kernel/time/wait-for.ts';
import { received } from './effects.ts';
import type { World } from './world.ts';

/** What came of one. */
export interface Outcome {
  /** What was to be there in the end and is not; effects that nobody had. */
  readonly lost: number;
  /** Effects that were had twice. */
  readonly doubled: number;
  /** Effects that were begun again under the same token, and had once. */
  readonly again: number;
  /** The longest that somebody waited for an answer, milliseconds. */
  readonly waitedMs: number;
}

/** A row of the table: a node dies while … */
export interface Scenario {
  readonly number: number;
  readonly what: string;
  /** Sun Identity Manager's high-availability guide: without and with session persistence. */
  readonly sun: readonly [without: string, with_: string];
  readonly run: (world: World) => Promise<Outcome>;
}

const patienceMs = 120_000;
const steps = 12;

async function timed<T>(work: () => Promise<T>): Promise<{ readonly value: T; readonly ms: number }> {
  const begun = performance.now();
  const value = await work();
  return { value, ms: performance.now() - begun };
}

/** What became of a task that had that many effects to make. */
async function judged(world: World, id: string, waitedMs: number, effects = steps): Promise<Outcome> {
  const task = await world.ended(id);
  const { had, again, doubled } = received(world.effects, id);
  const unfinished = task.state === TaskState.DONE ? 0 : 1;
  return { lost: effects - had + unfinished, doubled, again, waitedMs };
}

export const scenarios: readonly Scenario[] = [
  {
    number: 1,
    what: 'somebody submits a form that is part of no workflow',
    sun: ['no', 'yes'],
    run: async (world) => {
      const { anna } = world;
      const { devices } = await anna.ask(DeviceService, (service) => service.listDevices({}));
      const deviceId = devices[0]?.deviceId ?? '';
      const name = `phone ${randomUUID().slice(0, 8)}`;
      const owner = await anna.owner();
      const submitted = timed(() =>
        anna.ask(DeviceService, (service) => service.renameDevice({ deviceId, name })),
      );
      world.killNodeOf(owner);
      const { ms } = await submitted;
      const { device } = await anna.ask(DeviceService, (service) => service.getDevice({ deviceId }));
      return { lost: device?.name === name ? 0 : 1, doubled: 0, again: 0, waitedMs: ms };
    },
  },
  {
    number: 2,
    what: 'a workflow is running',
    sun: ['no', 'no (aborted; submit again)'],
    run: async (world) => {
      const id = await world.submit({ steps });
      await world.reaches(id, 4);
      world.killNodeOf(await world.workerOf(id));
      return judged(world, id, 0);
    },
  },
  {
    number: 3,
    what: 'a workflow waits for an approver',
    sun: ['yes', 'yes'],
    run: async (world) => {
      const { bert } = world;
      const id = await world.submit({ steps, approver: 'bert' });
      const item = await itemOf(world, id);
      world.killNodeOf('sec-0');
      // Comes in the morning.
      await bert.login();
      const { ms } = await timed(() => approve(world, item, 0));
      return judged(world, id, ms);
    },
  },
  {
    number: 4,
    what: 'an approver is editing a work item',
    sun: ['no', 'yes'],
    run: async (world) => {
      const { bert } = world;
      const id = await world.submit({ steps, approver: 'bert' });
      const item = await itemOf(world, id);
      const comment = 'Welcome! Please see to it that';
      const draft = {
        requestKey: randomUUID(),
        id: item,
        version: 0,
        draftJson: JSON.stringify({ comment }),
      };
      const owner = await bert.owner();
      const saved = timed(() => bert.ask(WorkItemService, (service) => service.saveDraft(draft)));
      world.killNodeOf(owner);
      const { value, ms } = await saved;
      const kept = await bert.ask(WorkItemService, (service) => service.getItem({ id: item }));
      const isKept = kept.item?.draftJson === draft.draftJson && kept.item.draftVersion === value.version;
      await approve(world, item, value.version);
      const outcome = await judged(world, id, ms);
      return { ...outcome, lost: outcome.lost + (isKept ? 0 : 1) };
    },
  },
  {
    number: 5,
    what: 'a scheduled task (reconciliation, report) is running',
    sun: ['no', 'no (starts again from the beginning)'],
    run: async (world) => {
      const name = await world.schedule({ inMs: 1000 }, { steps });
      const id = await world.begunBy(name);
      await world.reaches(id, 4);
      world.killNodeOf(await world.workerOf(id));
      return judged(world, id, 0);
    },
  },
  {
    number: 6,
    what: 'a scheduled task bound to a node is pending',
    sun: ['yes', 'yes'],
    run: async (world) => {
      const hosts = ['worker-0'];
      const name = await world.schedule({ inMs: 4000, hosts }, { steps });
      world.killNodeOf('worker-0');
      const id = await world.begunBy(name);
      // While it runs: afterwards it is nobody's.
      const isBound = (await world.workerOf(id)) === 'worker-0';
      const outcome = await judged(world, id, 0);
      return { ...outcome, lost: outcome.lost + (isBound ? 0 : 1) };
    },
  },
  {
    number: 7,
    what: 'a web-service request has not been received',
    sun: ['yes', 'yes'],
    run: async (world) => {
      // A third of what the application asks goes there.
      world.killNodeOf('sec-0');
      const requestKey = randomUUID();
      const { value: ids, ms } = await timed(() =>
        Promise.all(Array.from({ length: 6 }, () => world.request({ steps }, requestKey))),
      );
      const [id = ''] = ids;
      const outcome = await judged(world, id, ms);
      return { ...outcome, doubled: outcome.doubled + new Set(ids).size - 1 };
    },
  },
  {
    number: 8,
    what: 'a web-service request is being executed',
    sun: ['no', 'no (error, submit again)'],
    run: async (world) => {
      const requestKey = randomUUID();
      const id = await world.request({ steps }, requestKey);
      await world.reaches(id, 3);
      const worker = await world.workerOf(id);
      // By the pod that dies with the worker.
      const result = await world.watch(id, world.securityPodBeside(worker));
      world.killNodeOf(worker);
      const told = await result.ended;
      // An application that has died itself meanwhile asks again, and gets the same.
      const same = await world.request({ steps }, requestKey);
      const task = await world.ended(id);
      const outcome = await judged(world, id, 0);
      const isOne = same === id && told === task.resultJson;
      return { ...outcome, lost: outcome.lost + (isOne ? 0 : 1) };
    },
  },
];

const itemOf = (world: World, taskId: string): Promise<string> =>
  waitFor(
    async () => {
      const { items } = await world.bert.ask(WorkItemService, (service) => service.listItems({ taskId }));
      return items[0]?.id;
    },
    { timeoutMs: patienceMs, what: 'the work item' },
  );

async function approve({ bert }: World, id: string, version: number): Promise<void> {
  const formJson = JSON.stringify({ decision: 'DECISION_APPROVE', comment: 'yes' });
  const request = { requestKey: randomUUID(), id, version, formJson };
  await bert.ask(WorkItemService, (service) => service.completeItem(request));
}
