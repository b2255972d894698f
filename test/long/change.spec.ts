/**
 * A mesh is scaled and configured anew under a load from phones (one with a stream that never ends) and a service:
 * nothing fails, and no stream breaks for whoever reads it. Orders are not repeatable, so not even they may be
 * cut. Nothing here is about time: that is for the drills.
 */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, describe, it } from 'mocha';
import { socketPath } from '#compose/topology/paths.ts';
import { SallyportError } from '#core/errors/error.ts';
import { readStats } from '#envoy/admin/stats.ts';
import { meshStartMs, type OwnMesh, ownMesh } from '../mesh.ts';
import { type Load, startLoad } from '../rolling-load.ts';

/** Change listeners of edges and of proxies. */
const listenerKnobs = `edge: {keepalive_interval: 2m}
roles:
  proxy:
    connections: {inbound_keepalive_interval: 12s}
`;
const sizes = { security: 3, proxies: 2, edges: 2, db: 1, services: 1, backendReplicas: 2 };
const reason = (wanted: string) => (error: unknown) => SallyportError.from(error).reason === wanted;

describe('a mesh that is changed under load', function () {
  this.timeout(meshStartMs);
  let mesh: OwnMesh;
  let load: Load;
  let dir: string;
  const pids = (): Map<string, number> =>
    new Map(mesh.processes().map(({ name, identity }) => [name, identity.pid]));
  const file = (text: string): string => {
    const path = join(dir, 'mesh.yaml');
    writeFileSync(path, text);
    return path;
  };

  /** What every sidecar runs with. */
  const versions = (): Promise<string[]> =>
    Promise.all(
      mesh.topology.pods.map(async ({ name }) => {
        const { texts } = await readStats(socketPath(mesh.topology, name, 'admin'), 'version_text$');
        return `${name} ${JSON.stringify([...texts].sort())}`;
      }),
    );

  before(async () => {
    dir = mkdtempSync(join(tmpdir(), 'sp-rolling-'));
    mesh = await ownMesh({ sizes });
    load = await startLoad(mesh);
  });
  after(async () => {
    await load?.stop();
    await mesh?.close();
    rmSync(dir, { recursive: true, force: true });
  });
  afterEach(async () => {
    await load.untilAllGoOn();
    for (const { name, failures } of load.sides) assert.deepEqual([name, failures.splice(0)], [name, []]);
  });

  it('scales the security tier up and down', async () => {
    assert.deepEqual(await mesh.scale('security', 4), { added: ['sec-3'], removed: [] });
    assert.ok(mesh.processes().some(({ name }) => name === 'sec-3 process'));
    assert.deepEqual(await mesh.scale('security', 3), { added: [], removed: ['sec-3'] });
    assert.ok(!mesh.processes().some(({ name }) => name.startsWith('sec-3 ')));
    assert.deepEqual(
      mesh.topology.pods.filter(({ role }) => role === 'security').map(({ name }) => name),
      ['sec-0', 'sec-1', 'sec-2'],
    );
  });

  it('scales the proxies up and down', async () => {
    assert.deepEqual((await mesh.scale('proxies', 3)).added, ['proxy-2']);
    assert.deepEqual((await mesh.scale('proxies', 2)).removed, ['proxy-2']);
  });

  it('drains a pod, which then gets nothing, and puts it back', async () => {
    await mesh.drain('proxy-0');
    const requests = async (): Promise<number | undefined> => {
      const admin = socketPath(mesh.topology, 'proxy-0', 'admin');
      // Health checks come by a path of their own, /grpc.health.v1.Health/Check, and are not relayed.
      return (await readStats(admin, '^cluster\\.backend/intranet\\.upstream_rq_total$')).numbers.get(
        'cluster.backend/intranet.upstream_rq_total',
      );
    };
    const before = await requests();
    await load.untilAllGoOn();
    assert.equal(await requests(), before);
    await assert.rejects(mesh.drain('proxy-1'), reason('CHANGE_REFUSED'));
    await mesh.undrain('proxy-0');
  });

  it('applies changed knobs again and again, beneath connections and of listeners', async () => {
    for (const interval of ['900ms', '1100ms', '1200ms']) {
      const { changed } = await mesh.apply({ file: file(`health: {interval: ${interval}}\n`) });
      assert.ok(changed.includes('edge-0: cds/proxy'), changed.join());
      await load.untilAllGoOn();
    }
    const { changed, restart } = await mesh.apply({ file: file(listenerKnobs) });
    assert.ok(changed.includes('edge-0: lds/public') && changed.includes('proxy-0: lds/mesh'));
    assert.deepEqual(restart, []);
  });

  it('says what only a restart can bring, and changes nothing when it is only asked', async () => {
    const knobs = file(`${listenerKnobs}    sidecar: {max_connections: 9000}\n`);
    const { restart } = await mesh.apply({ file: knobs, dryRun: true });
    assert.deepEqual(restart, ['proxy-0', 'proxy-1']);
    const before = pids();
    const outcome = await mesh.apply({ file: knobs, restart: true });
    assert.deepEqual([outcome.restart, outcome.restarted], [[], ['proxy-0', 'proxy-1']]);
    assert.notEqual(pids().get('proxy-1 sidecar'), before.get('proxy-1 sidecar'));
  });

  it('gives all sidecars back what they had when a configuration is refused', async () => {
    const before = await versions();
    const knobs = file(`${listenerKnobs}    sidecar: {max_connections: 9000}\n`);
    const patches = (text: string): string => {
      const patchesDir = join(dir, 'patches');
      mkdirSync(patchesDir, { recursive: true });
      writeFileSync(join(patchesDir, 'mine.yaml'), text);
      return patchesDir;
    };
    // Found by an Envoy that serves nobody.
    const unknownPolicy = patches(
      '- match: {type: Cluster, name: security}\n  merge: {lb_policy: NO_SUCH_POLICY}\n',
    );
    await assert.rejects(
      mesh.apply({ file: knobs, patchesDir: unknownPolicy }),
      (error) => reason('CONFIG_REJECTED')(error) && /security/.test(String(error)),
    );
    assert.deepEqual(await versions(), before);
    // Only the sidecar itself can find that another one listens there.
    const taken = mesh.topology.pods.find(({ name }) => name === 'proxy-1')?.ports.mesh;
    const takenPort = patches(
      '- match: {type: Listener, name: mesh, pod: proxy-0}\n' +
        `  merge: {address: {socket_address: {port_value: ${taken}}}}\n` +
        '- match: {type: Cluster, name: security}\n  merge: {connect_timeout: 1.5s}\n',
    );
    await assert.rejects(
      mesh.apply({ file: knobs, patchesDir: takenPort }),
      (error) => reason('CONFIG_REJECTED')(error) && /proxy-0: lds\/mesh: .*bind/.test(String(error)),
    );
    assert.deepEqual(await versions(), before);
  });

  it('rotates certificates again and again, and the authority', async () => {
    for (let turn = 0; turn < 3; turn++) {
      await mesh.rotateCertificates();
      await load.untilAllGoOn();
    }
    await mesh.rotateCertificates({ roots: true });
  });

  it('refuses what it cannot do, and a second change meanwhile', async () => {
    await assert.rejects(mesh.scale('edges', 3), reason('CHANGE_REFUSED'));
    await assert.rejects(mesh.scale('security', 0), reason('CHANGE_REFUSED'));
    await assert.rejects(mesh.restart({}), reason('CHANGE_REFUSED'));
    await assert.rejects(mesh.restart({ pods: ['sec-9'] }), reason('NOT_FOUND'));
    const first = mesh.rotateCertificates();
    await assert.rejects(mesh.rotateCertificates(), reason('CHANGE_UNDER_WAY'));
    await first;
  });
});
