import assert from 'node:assert/strict';
import { after, before, describe, it } from 'mocha';
import { waitFor } from '#kernel/time/wait-for.ts';
import { TaskStand } from '../tasks/stand.ts';

/** Tasks that are under way at a time, and steps of each. */
const tasks = 30;
const steps = 50;
const kills = 60;
const workers = ['worker-0', 'worker-1', 'worker-2'] as const;

describe('tasks on three database nodes', function () {
  this.timeout(1_200_000);
  let stand: TaskStand;

  before(async () => {
    stand = await TaskStand.start(3);
    for (const name of workers) stand.startWorker(name);
  });

  after(() => stand?.close());

  it('lose no step and double no effect when workers and primaries of the database are killed', async () => {
    const ids: string[] = [];
    const more = async (): Promise<void> => {
      const added = Array.from({ length: tasks }, () => stand.submit('chain', { steps }));
      ids.push(...(await Promise.all(added)));
    };
    for (let kill = 0; kill < kills; kill++) {
      if (ids.length * steps - stand.receivedCount() < (tasks * steps) / 2) await more();
      const before = stand.receivedCount();
      await waitFor(() => stand.receivedCount() > before, { timeoutMs: 120_000, what: 'progress' });
      // One node of three at a time, or there is no majority.
      if (kill % 20 === 19) {
        await stand.group.online(3, 180_000);
        await (await stand.group.primary()).killMysqld();
      } else {
        const name = workers[kill % workers.length] ?? workers[0];
        await stand.end(name, 'SIGKILL');
        stand.startWorker(name);
      }
    }
    for (const id of ids) {
      const { result } = await stand.until(id, 'done', 300_000);
      assert.equal(result, (steps * (steps + 1)) / 2);
    }
    const received = stand.received();
    for (const id of ids) {
      const names = (await stand.store.journalOf(id)).map(({ name }) => name);
      assert.equal(names.length, steps);
      assert.deepEqual(received.get(id)?.toSorted(), names.toSorted());
    }
  });
});
