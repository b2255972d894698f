import { systemClock } from '#kernel/time/system-clock.ts';
import type { DbGroup } from '../../db-group.ts';
import { hookReceiver } from '../../tasks/receivers.ts';
import { TaskStand } from '../../tasks/stand.ts';
import type { AloneContext } from '../drill.ts';
import { type Killable, killAtRandom } from './kill-at-random.ts';
import { type Ended, kind, type Place, Work } from './work.ts';

const workers = Array.from({ length: 6 }, (_, n) => `worker-${n}`);
/** Draws of a worker for each of the primary: its loss takes seconds. */
const workersWeight = 8;
const definitions = new URL('definitions.ts', import.meta.url).pathname;
/** Milliseconds that the receiver takes for one effect. */
export const effectMs = 120;

/** Many workers without a mesh around them: kills are quick. */
export async function killWorkersOnDatabase(kills: number, context: AloneContext): Promise<void> {
  context.progress('  starting a database group');
  const receiver = await hookReceiver(true, () => systemClock.sleep(effectMs / 2));
  let stand: TaskStand | undefined;
  try {
    stand = await TaskStand.start(3);
    const { group, store } = stand;
    const started = stand;
    for (const name of workers) {
      const args = [name, group.rwSocket, 'sallyport', group.passwords.app, definitions];
      stand.startWorker(name, 'worker.ts', args);
    }
    const place: Place = {
      submit: async (input, requestKey) => {
        const task = { kind, version: 1, input: { ...input }, submitter: 'drill', requestKey };
        return (await store.submit(task)).id;
      },
      find: async (id): Promise<Ended> => {
        const info = await store.find(id);
        const names = (await store.journalOf(id)).map(({ name }) => name);
        return { state: info?.state ?? 'open', names };
      },
      retry: (id) => store.revive(id, undefined),
    };
    const killWorker = (name: string): Killable => ({
      ...{ name, weight: workersWeight },
      kill: async () => {
        if (!started.works(name)) return false;
        await started.end(name, 'SIGKILL');
        started.startWorker(name);
        return true;
      },
    });
    const primary: Killable = { name: 'database primary', kill: () => killPrimary(group) };
    const work = new Work(place, receiver);
    const victims = [...workers.map(killWorker), primary];
    await killAtRandom({ ...context, work, kills, victims, everyMs: [50, 450] });
  } finally {
    await stand?.close();
    await receiver.close();
  }
}

/** Not while another node is away: there would be no majority. */
async function killPrimary(group: DbGroup): Promise<boolean> {
  const states = await Promise.all(
    group.nodes.map((node) =>
      node.status().then(
        ({ state }) => state,
        () => 'DOWN',
      ),
    ),
  );
  if (states.some((state) => state !== 'ONLINE')) return false;
  const primary = await group.primary().catch(() => undefined);
  await primary?.killMysqld();
  return primary !== undefined;
}
