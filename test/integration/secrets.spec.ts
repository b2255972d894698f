import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { after, before, describe, it } from 'mocha';
import { pkiDir, secretsDir, socketPath } from '#compose/topology/paths.ts';
import { runningMesh } from '#services/cli/mesh/mesh-of-state.ts';
import { World } from '../bad-input/world.ts';
import { meshStartMs, type SharedMesh, sharedMesh } from '../mesh.ts';
import { filesBelow, logsOf } from '../mesh-files.ts';
import { addMade, addPrivateKeys, addSealed } from '../secrets/mesh-secrets.ts';
import { Needles } from '../secrets/needles.ts';
import { playCommandLine, playPhone, type Told } from '../secrets/scenario.ts';

/**
 * Plays a phone and the command line through everything that touches a secret, and then looks for each
 * secret, in whatever form, wherever a mesh leaves something behind.
 */
describe('secrets', function () {
  this.timeout(180_000);
  let mesh: SharedMesh;
  let world: World;
  const told: Told[] = [];
  /** All that the mesh knows or was told. */
  const needles = new Needles();
  /** Private keys of certificates, which lie where Envoy reads them. */
  const privateKeys = new Needles();

  before(async function () {
    this.timeout(meshStartMs);
    mesh = await sharedMesh();
    world = new World(mesh);
    await world.begin();
    addMade(needles, mesh);
    needles.addText('any JWT', 'eyJhbGci');
    told.push(...(await playPhone(world, needles)), ...(await playCommandLine(world, needles)));
    await addSealed(needles, mesh);
    addPrivateKeys(privateKeys, mesh.stateDir);
  });
  after(async () => {
    world?.close();
    await mesh?.release();
  });

  const nothingIn = (where: Iterable<Told>, wanted: readonly Needles[] = [needles, privateKeys]): void => {
    let places = 0;
    const leaks: string[] = [];
    for (const { by, bytes } of where) {
      places += 1;
      for (const each of wanted)
        for (const { secret, form } of each.in(bytes)) leaks.push(`${secret} (${form}) in ${by}`);
    }
    assert.deepEqual(leaks, []);
    assert.ok(places > 0, 'there was nothing to look at');
  };
  const filesOf = function* (dir: string, leaveOut?: (path: string) => boolean): Generator<Told> {
    for (const { path, bytes } of filesBelow(dir, leaveOut)) yield { by: path, bytes };
  };

  it('are found by this test where they are kept', () => {
    const kept = [...filesOf(secretsDir(mesh)), ...filesOf(join(mesh.stateDir, 'devices'))];
    const found = new Set(kept.flatMap(({ bytes }) => needles.in(bytes).map(({ secret }) => secret)));
    for (const secret of ['root key', 'password of the demo user', 'password of the database account app'])
      assert.ok(found.has(secret), secret);
    const keys = [...filesOf(join(mesh.stateDir, 'pods', 'sec-0', 'tls'))];
    assert.ok(keys.some(({ bytes }) => privateKeys.in(bytes).length > 0));
    for (const kind of ['identity', 'hpke', 'mac', 'assertion'])
      assert.ok(needles.names.includes(`${kind} key of the tier`), kind);
  });

  it('stand in no log', () => {
    const logs = logsOf(mesh.stateDir).map(({ path, bytes }) => ({ by: path, bytes }));
    assert.ok(logs.some(({ bytes }) => bytes.includes('CREDENTIALS_INVALID')));
    nothingIn(logs);
  });

  it('rest sealed in the data files, redo and binary logs of the database', () => {
    const dirs = readdirSync(join(mesh.stateDir, 'pods')).filter((pod) => pod.startsWith('db-'));
    for (const pod of dirs) nothingIn(filesOf(join(mesh.stateDir, 'pods', pod, 'data')));
  });

  it('lie in no other file of the mesh', () => {
    const own = ['secrets', 'devices'].map((name) => join(mesh.stateDir, name));
    const others = (path: string): boolean => own.includes(path) || path.endsWith('/data');
    nothingIn(filesOf(mesh.stateDir, others), [needles]);
    nothingIn(filesOf(mesh.state.runDir));
  });

  it('private keys lie only where their sidecar or process reads them', () => {
    const places = /\/(tls|public)\/[^/]+\/tls\.key$|\/envoy\/sds\/[^/]+\.json$/;
    for (const pod of readdirSync(join(mesh.stateDir, 'pods'))) {
      const dir = join(mesh.stateDir, 'pods', pod);
      nothingIn(
        filesOf(dir, (path) => path.endsWith('/data') || places.test(path)),
        [privateKeys],
      );
      // And nobody has a neighbour's.
      for (const { bytes } of filesBelow(dir, (path) => path.endsWith('/data')))
        for (const { secret } of privateKeys.in(bytes))
          assert.ok(secret.startsWith(`private key /pods/${pod}/`), `${secret} at ${pod}`);
    }
  });

  it('are for their owner only', () => {
    const owners: string[] = [];
    for (const dir of [secretsDir(mesh), join(mesh.stateDir, 'devices')]) {
      assert.equal(statSync(dir).mode & 0o077, 0, dir);
      for (const { path } of filesBelow(dir)) owners.push(path);
    }
    for (const { path } of filesBelow(mesh.stateDir, (each) => each.endsWith('/data')))
      if (/tls\.key$|\/sds\/|-ca\.json$/.test(path)) owners.push(path);
    assert.ok(owners.some((path) => path.startsWith(pkiDir(mesh))));
    assert.deepEqual(
      owners.filter((path) => (statSync(path).mode & 0o077) !== 0),
      [],
    );
  });

  it('are in no argument and no environment of any process', function () {
    if (!existsSync('/proc/self/environ')) this.skip();
    const { processes, runner } = runningMesh(mesh.stateDir).state;
    const all = [...processes.map(({ identity }) => identity.pid), runner.pid, ...mysqldsOf(mesh)];
    nothingIn(
      all.flatMap((pid) =>
        ['cmdline', 'environ'].flatMap((file) => {
          const path = `/proc/${pid}/${file}`;
          return existsSync(path) ? [{ by: path, bytes: readFileSync(path) }] : [];
        }),
      ),
    );
  });

  it('are not told to whoever calls, nor at the command line', () => nothingIn(told));

  it("are not in what Envoy's admin tells", async () => {
    const { runDir, pods } = mesh.state;
    for (const { name } of pods)
      for (const path of ['/config_dump?include_eds', '/stats', '/clusters', '/certs', '/server_info']) {
        const bytes = await adminOf(socketPath({ stateDir: mesh.stateDir, runDir }, name, 'admin'), path);
        nothingIn([{ by: `${path} of ${name}`, bytes }]);
      }
  });
});

/** Pids of the database servers, which their agents have started. */
function mysqldsOf({ state }: SharedMesh): number[] {
  return state.pods.flatMap(({ name, role }) => {
    const file = join(state.runDir, name, 'mysqld.json');
    if (role !== 'db' || !existsSync(file)) return [];
    return [Number((JSON.parse(readFileSync(file, 'utf8')) as { pid: number }).pid)];
  });
}

const adminOf = (socket: string, path: string): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    const call = request({ socketPath: socket, path, agent: false, timeout: 20_000 }, (response) => {
      const pieces: Buffer[] = [];
      response.on('data', (piece: Buffer) => pieces.push(piece));
      response.on('end', () => resolve(Buffer.concat(pieces)));
      response.on('error', reject);
    });
    call.on('timeout', () => call.destroy(new Error(`${path}: no answer`)));
    call.on('error', reject);
    call.end();
  });
