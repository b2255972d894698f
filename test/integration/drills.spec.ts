/** The short form of the drills, as `npm run drills -- --short --functional` runs it. */
import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { after, describe, it } from 'mocha';
import { type Order, readOrders } from '#compose/demo/intranet/orders.ts';
import { ordersFile } from '#compose/topology/paths.ts';
import { waitFor } from '#kernel/time/wait-for.ts';
import { runningMesh } from '#services/cli/mesh/mesh-of-state.ts';
import { discoverDrills } from '../drills/discover.ts';
import type { Drill, StepContext } from '../drills/drill.ts';
import { drillOptions } from '../drills/options.ts';
import { runDrill } from '../drills/run-drill.ts';
import { meshKey, select } from '../drills/run-drills.ts';
import { type Stand, startStand } from '../drills/stand.ts';
import { rowLines } from '../drills/table.ts';
import { twoBackends } from '../drills/targets.ts';

/** Less than the whole form's: a machine that has other things to do must carry it too. */
const options = drillOptions(['--short', '--functional', '--devices', '20', '--rate', '20']);
assert.ok(options);
const { size } = options;
const seed = options.seeds[0] ?? 1;
const selected = select(await discoverDrills(), options);
const told: string[] = [];
const progress = (line: string): void => void told.push(line);
const never = new AbortController();

describe('drills, in their short form', function () {
  this.timeout(400_000);
  const stands = new Map<string, Stand>();

  after(async () => {
    for (const stand of stands.values()) await stand.close();
  });

  for (const { drill, failures } of selected) {
    for (const failure of failures) {
      it(`${failure.name}: nothing fails, nothing is lost or wrong`, async () => {
        const key = meshKey(drill);
        const stand = stands.get(key) ?? (await startStand(drill, size, seed, progress));
        stands.set(key, stand);
        const row = await runDrill(stand, drill, failure, seed, { signal: never.signal, progress });
        assert.ok(row.held, [...rowLines(row), ...told.slice(-30)].join('\n'));
        assert.ok(row.requests > 0);
      });
    }
  }

  it('finds what a backend has lost, and what it has done twice', async () => {
    const failure = { name: 'a backend that is wrong', goals: {}, victims: () => [] };
    const steps = [{ name: '01-plant', run: plant }];
    // On the mesh of the others: a second one beside it would be one too many for many a machine.
    const mesh = twoBackends;
    const drill: Drill = {
      name: 'planted',
      about: 'that the checker sees',
      failures: [failure],
      steps,
      mesh,
    };
    const key = meshKey(drill);
    const stand = stands.get(key) ?? (await startStand(drill, size, seed, progress));
    stands.set(key, stand);
    const row = await runDrill(stand, drill, failure, seed, { signal: never.signal, progress });
    const said = row.problems.join('\n');
    assert.deepEqual([row.held, row.failed], [false, 0], said);
    assert.equal(row.lost, 1, said);
    assert.match(
      said,
      /acknowledged-lost \(load-\d+-\d+\): POST \/orders was acknowledged, and no backend has done it/,
    );
    assert.match(said, /executed-twice \(load-\d+-\d+, load-\d+-\d+\): POST \/orders was executed 2 times/);
  });
});

/** Takes one order away that was acknowledged, and places another one twice, behind everybody's back. */
async function plant({ mesh, watch }: StepContext): Promise<void> {
  const { stateDir, state } = runningMesh(mesh.stateDir);
  const file = ordersFile({ stateDir, runDir: state.runDir }, 'intranet');
  const before = [...readOrders(file)].at(-1)?.number ?? 0;
  const placed: Order[] = [];
  const enough = (): boolean => {
    placed.push(...readOrders(file, placed.at(-1)?.number ?? before));
    return placed.length >= 8;
  };
  await waitFor(enough, { timeoutMs: 60_000, what: 'orders of this drill' });
  // Not the first ones, which may have been begun before the drill.
  await watch(1000);
  const db = new DatabaseSync(file, { timeout: 5000 });
  const [, , , , lost, twice] = placed;
  db.prepare('DELETE FROM orders WHERE number = ?').run(lost?.number ?? 0);
  db.prepare(
    'INSERT INTO orders (user, key, request, body, at, wall) ' +
      'SELECT user, NULL, request, body, at + 1, wall + 1 FROM orders WHERE number = ?',
  ).run(twice?.number ?? 0);
  db.close();
}
