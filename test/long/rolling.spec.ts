/**
 * Every pod of a mesh is restarted under a load from phones (one with a stream that never ends) and a service:
 * nothing fails, and no stream breaks for whoever reads it. Orders are not repeatable, so not even they may be
 * cut. Nothing here is about time: that is for the drills.
 */
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'mocha';
import { meshStartMs, type OwnMesh, ownMesh } from '../mesh.ts';
import { type Load, startLoad } from '../rolling-load.ts';

const sizes = { security: 3, proxies: 2, edges: 2, db: 3, services: 1, backendReplicas: 2 };

describe('a mesh whose pods are restarted under load', function () {
  this.timeout(meshStartMs);
  let mesh: OwnMesh;
  let load: Load;
  const pids = (): Map<string, number> =>
    new Map(mesh.processes().map(({ name, identity }) => [name, identity.pid]));
  before(async () => {
    mesh = await ownMesh({ sizes });
    load = await startLoad(mesh);
  });
  after(async () => {
    await load?.stop();
    await mesh?.close();
  });
  afterEach(async () => {
    await load.untilAllGoOn();
    for (const { name, failures } of load.sides) assert.deepEqual([name, failures.splice(0)], [name, []]);
  });

  for (const tier of ['security', 'backend', 'proxy', 'edge', 'db']) {
    it(`restarts every ${tier} pod, one after the other`, async () => {
      const before = pids();
      const restarted = await mesh.restart({ tiers: [tier] });
      const meant = mesh.topology.pods.filter(({ role }) => role === tier).map(({ name }) => name);
      assert.deepEqual([...restarted].sort(), meant.sort());
      const now = pids();
      for (const [name, pid] of before)
        assert.equal(now.get(name) === pid, !meant.includes(name.split(' ')[0] ?? ''), name);
    });
  }
});
