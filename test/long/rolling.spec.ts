/**
 * Every pod of a mesh is restarted under a load from phones (one with a stream that never ends) and a service:
 * nothing fails, and no stream breaks for whoever reads it. Orders are not repeatable, so not even they may be
 * cut. Nothing here is about time: that is for the drills.
 */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, describe, it } from 'mocha';
import { waitFor } from '#kernel/time/wait-for.ts';
import { intranetBeside } from '../drills/gateway/ground.ts';
import { applyPolicy } from '../gateway-world.ts';
import { meshStartMs, type OwnMesh, ownMesh } from '../mesh.ts';
import { removeState, temporaryState } from '../mesh-state.ts';
import { type Load, startLoad } from '../rolling-load.ts';

const sizes = { security: 3, proxies: 2, edges: 2, db: 3, services: 1, backendReplicas: 2 };

describe('a mesh whose pods are restarted under load', function () {
  this.timeout(meshStartMs);
  let mesh: OwnMesh;
  let load: Load;
  let stateDir: string | undefined;
  let intranet: Awaited<ReturnType<typeof intranetBeside>>;
  const pids = (): Map<string, number> =>
    new Map(mesh.processes().map(({ name, identity }) => [name, identity.pid]));
  before(async () => {
    stateDir = temporaryState();
    intranet = await intranetBeside(stateDir);
    const gatewaysFile = join(stateDir, 'gateways.yaml');
    const target = { name: 'intranet', kind: 'http', url: `http://127.0.0.1:${intranet.port}` };
    writeFileSync(
      gatewaysFile,
      JSON.stringify({ groups: [{ name: 'hr', forest: 'corp.example', targets: [target] }] }),
    );
    mesh = await ownMesh({ sizes, stateDir, gatewaysFile });
    load = await startLoad(mesh);
  });
  after(async () => {
    await load?.stop();
    await mesh?.close();
    intranet?.close();
    if (stateDir !== undefined) removeState(stateDir);
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

  it('restarts every gateway, and has one more and one fewer, while all goes through them', async () => {
    await applyPolicy(mesh, ({ resources }) => {
      for (const resource of resources) Object.assign(resource, { gatewayGroup: 'hr' });
    });
    await waitFor(() => intranet.connections > 0, { timeoutMs: 30_000, what: 'the gateways to be used' });
    await load.untilAllGoOn();
    // Its event stream goes through a gateway from its beginning, and is longer than a gateway waits for it.
    const through = await startLoad(mesh);
    try {
      const before = pids();
      await mesh.restart({ tiers: ['gateway'] });
      for (const name of ['gw-hr-0', 'gw-hr-1'])
        assert.notEqual(pids().get(`${name} process`), before.get(`${name} process`));
      await mesh.scale('gw-hr', 3);
      await mesh.scale('gw-hr', 2);
      await through.untilAllGoOn();
    } finally {
      await through.stop();
    }
    for (const { name, failures } of through.sides) assert.deepEqual([name, failures], [name, []]);
  });
});
