import { randomUUID } from 'node:crypto';
import type { DescService } from '@bufbuild/protobuf';
import type { Client } from '@connectrpc/connect';
import { isOnline } from '#compose/runner/ready.ts';
import { podsOf } from '#compose/topology/query.ts';
import type { PodRole } from '#compose/topology/types.ts';
import { TaskService, TaskState } from '#gen/sallyport/task/v1/task_pb.js';
import { systemClock } from '#kernel/time/system-clock.ts';
import { runningMesh } from '#services/cli/mesh/mesh-of-state.ts';
import { askSecurityByConnect } from '#services/cli/operator.ts';
import { type OwnMesh, ownMesh } from '#test/mesh.ts';
import { hookReceiver } from '../../tasks/receivers.ts';
import type { AloneContext } from '../drill.ts';
import { primaryOf } from '../targets.ts';
import { type Killable, killAtRandom } from './kill-at-random.ts';
import { effectMs } from './on-database.ts';
import { type Ended, kind, type Place, Work } from './work.ts';

const stateOf: Readonly<Record<TaskState, Ended['state']>> = {
  [TaskState.UNSPECIFIED]: 'open',
  [TaskState.OPEN]: 'open',
  [TaskState.DONE]: 'done',
  [TaskState.FAILED]: 'failed',
  [TaskState.CANCELLED]: 'cancelled',
  [TaskState.DEAD]: 'dead',
};

/** Whole worker and security pods, with their sidecars, and the database's primary. */
export async function killOnMesh(kills: number, context: AloneContext): Promise<void> {
  context.progress('  starting a mesh');
  const receiver = await hookReceiver(true, () => systemClock.sleep(effectMs / 2));
  let mesh: OwnMesh | undefined;
  try {
    mesh = await ownMesh({
      sizes: { workers: 3 },
      taskModules: [new URL('definitions.ts', import.meta.url).pathname],
    });
    const victims = [...partsOf(mesh, 'worker'), ...partsOf(mesh, 'security'), primary(mesh)];
    const work = new Work(placeOf(mesh), receiver);
    await killAtRandom({ ...context, work, kills, victims, everyMs: [300, 2500] });
  } finally {
    await mesh?.close();
    await receiver.close();
  }
}

function placeOf({ stateDir }: OwnMesh): Place {
  const run = randomUUID().slice(0, 8);
  const operator = <S extends DescService, T>(service: S, call: (client: Client<S>) => Promise<T>) =>
    askSecurityByConnect({ stateDir, pods: runningMesh(stateDir).pods }, service, call);
  return {
    submit: async (input, requestKey) => {
      const request = { kind, inputJson: JSON.stringify(input), requestKey: `${run}-${requestKey}` };
      const { task } = await operator(TaskService, (tasks) => tasks.submitTask(request));
      return task?.id ?? '';
    },
    find: async (id) => {
      const { task, history } = await operator(TaskService, (tasks) => tasks.getTask({ id }));
      return { state: stateOf[task?.state ?? TaskState.OPEN], names: history.map(({ name }) => name) };
    },
    retry: (id) => operator(TaskService, async (tasks) => void (await tasks.retryTask({ id }))),
  };
}

/** Processes and sidecars of a tier. The runner starts what dies again. */
const partsOf = (mesh: OwnMesh, role: PodRole): Killable[] =>
  podsOf(mesh.topology, role).flatMap(({ name }) =>
    (['process', 'sidecar'] as const).map((part) => ({
      ...{ name: `${name} ${part}`, weight: role === 'worker' ? 8 : 3 },
      kill: async () => mesh.kill(name, part, 'SIGKILL'),
    })),
  );

/** Not while another node is away: there would be no majority. */
const primary = (mesh: OwnMesh): Killable => ({
  ...{ name: 'database primary', weight: 2 },
  kill: async () => {
    const nodes = podsOf(mesh.topology, 'db').map((pod) => isOnline(mesh.topology, pod).catch(() => false));
    if (!(await Promise.all(nodes)).every(Boolean)) return false;
    return mesh.kill(await primaryOf(mesh), 'mysqld', 'SIGKILL');
  },
});
