import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'mocha';
import type { Finding } from '#envoy/check/finding.ts';
import { waitFor } from '#kernel/time/wait-for.ts';
import { runCli } from '#services/cli/run-cli.ts';
import { testContext } from '#services/cli/test-context.ts';
import { type SharedMesh, sharedMesh } from '#test/mesh.ts';

/** `sallyport mesh …` with the real Envoy. */
describe('mesh operators', function () {
  this.timeout(300_000);
  let dir: string;
  before(() => {
    dir = mkdtempSync(join(tmpdir(), 'sp-op-'));
  });
  after(() => rmSync(dir, { recursive: true, force: true }));

  const run = (...args: string[]) => runOn(join(dir, 'none'), ...args);
  const runOn = async (state: string, ...args: string[]) => {
    const { context, written } = testContext({ cwd: dir, env: process.env });
    const code = await runCli(['mesh', ...args, '--state', state], context);
    return { code, ...written };
  };
  const json = <T>(...args: string[]) => jsonOn<T>(join(dir, 'none'), ...args);
  const jsonOn = async <T>(state: string, ...args: string[]): Promise<T & { ok: boolean; code: number }> => {
    const { code, out } = await runOn(state, ...args, '--json');
    return { ...(JSON.parse(out.trimEnd().split('\n').at(-1) ?? '') as T & { ok: boolean }), code };
  };
  const patches = (text: string): string => {
    const folder = mkdtempSync(join(dir, 'patches-'));
    writeFileSync(join(folder, 'mine.yaml'), text);
    return folder;
  };
  const findings = async (pod: string, patch: string) => {
    const told = await json<{ items: Finding[] }>('validate', pod, '--patches', patches(patch));
    assert.equal(told.code, told.ok ? 0 : 1);
    return told.items;
  };
  const codes = (found: readonly Finding[]): string[] => found.map(({ code, where }) => `${code} ${where}`);

  describe('render', () => {
    it('writes the same files each time, and into no folder that holds something', async () => {
      assert.equal((await run('render', '--out', 'a')).code, 0);
      assert.equal((await run('render', '--out', 'b')).code, 0);
      const files = (of: string) =>
        readdirSync(join(dir, of), { recursive: true, encoding: 'utf8' })
          .filter((name) => name.endsWith('.json'))
          .sort();
      assert.ok(files('a').includes(join('proxy-0', 'cds', 'cds.json')));
      assert.deepEqual(files('a'), files('b'));
      for (const file of files('a'))
        assert.equal(readFileSync(join(dir, 'a', file), 'utf8'), readFileSync(join(dir, 'b', file), 'utf8'));
      const again = await run('render', '--out', 'a');
      assert.equal(again.code, 1);
      assert.match(again.err, /^error ALREADY_EXISTS: .*\nhint: /);
      mkdirSync(join(dir, 'none'));
      assert.match((await run('render', '--out', 'none')).err, /^error INVALID_FIELD: .*state folder/);
      assert.deepEqual(readdirSync(join(dir, 'none')), []);
    });

    it('shows one pod, with a file that names what differs', async () => {
      writeFileSync(join(dir, 'mesh.yaml'), 'roles: {proxy: {connections: {connect_timeout: 777ms}}}\n');
      const { out } = await run('render', 'proxy-0', '--file', 'mesh.yaml');
      assert.match(out, /"connect_timeout": "0\.777s"/);
      assert.doesNotMatch((await run('render', 'sec-0', '--file', 'mesh.yaml', '--yaml')).out, /0\.777s/);
      assert.match((await run('render', 'sec-9')).err, /^error NOT_FOUND: .*sec-9/);
      assert.equal((await run('render', '--role', 'king')).code, 2);
    });
  });

  describe('validate', () => {
    it('finds the shipped configuration good, by the real Envoy', async () => {
      const told = await json<{ items: Finding[]; figures: { name: string; value: number }[] }>('validate');
      assert.deepEqual(told.items, []);
      assert.equal(told.code, 0);
      assert.equal(told.figures.find(({ name }) => name === 'pods')?.value, 16);
    });

    it('takes every knob of a file, and names the one that was meant', async () => {
      writeFileSync(join(dir, 'bad.yaml'), 'retries: {atempts: 2}\n');
      const { code, err } = await run('validate', '--file', 'bad.yaml');
      assert.equal(code, 1);
      assert.match(err, /^error CONFIG_INVALID: unknown field retries\.atempts \(did you mean attempts\?\)/);
      assert.match(
        (await run('validate', '--file', 'no.yaml')).err,
        /^error NOT_FOUND: there is no .*no\.yaml/,
      );
    });

    it('tells which resource and which file an Envoy refuses', async () => {
      const refused = await findings(
        'edge-0',
        '[{match: {type: ClusterLoadAssignment, name: proxy, role: edge}, merge: {no_such: 1}}]',
      );
      assert.deepEqual(codes(refused), ['RESOURCE_REFUSED eds/proxy']);
      assert.match(refused[0]?.message ?? '', /no such field: 'no_such'/);
      assert.match(refused[0]?.patches?.[0] ?? '', /mine\.yaml$/);
      const bootstrap = await findings(
        'sec-0',
        '[{match: {type: Bootstrap, role: security}, merge: {no_such: 1}}]',
      );
      assert.deepEqual(codes(bootstrap), ['BOOTSTRAP_REFUSED bootstrap']);
      const inline = await findings(
        'proxy-0',
        '[{match: {type: RouteConfiguration, name: mesh, role: proxy}, merge: {no_such: 1}}]',
      );
      assert.deepEqual(codes(inline), ['RESOURCE_REFUSED lds']);
    });

    it('finds routes to nowhere, foreign peers and keys that are none, and what follows from them', async () => {
      const nowhere = await findings(
        'edge-0',
        '[{match: {type: RouteConfiguration, name: public}, at: [virtual_hosts, 0, routes, 0], merge: {route: {cluster: nowhere}}}]',
      );
      assert.deepEqual(codes(nowhere), ['UNKNOWN_CLUSTER rds/public', 'RESOURCE_REFUSED rds/public']);
      const key = await findings(
        'edge-0',
        '[{match: {type: Secret, name: mesh-cert, role: edge}, merge: {tls_certificate: {private_key: {filename: null, inline_string: none}}}}]',
      );
      assert.deepEqual(
        codes(key).filter((code) => code.includes('sds')),
        ['RESOURCE_REFUSED sds/mesh-cert'],
      );
    });
  });

  describe('a mesh that runs', () => {
    let mesh: SharedMesh;
    before(async () => {
      mesh = await sharedMesh();
    });
    after(() => mesh?.release());
    const on = (...args: string[]) => runOn(mesh.stateDir, ...args);

    it('has sidecars that run with what is on disk', async () => {
      const told = await jsonOn<{
        items: { pod: string; draining: boolean; sync: { type: string; state: string; version: string }[] }[];
      }>(mesh.stateDir, 'status');
      assert.equal(told.code, 0, JSON.stringify(told));
      assert.deepEqual(
        told.items.map(({ pod }) => pod),
        mesh.pods.map(({ name }) => name),
      );
      for (const { pod, sync, draining } of told.items) {
        assert.ok(
          ['lds', 'cds', 'sds'].every((type) => sync.some((each) => each.type === type)),
          pod,
        );
        assert.ok(
          sync.every(({ state, version }) => state === 'SYNCED' && version !== ''),
          pod,
        );
        assert.equal(draining, false);
      }
      assert.match(
        (await on('status', 'sec-0', '--verbose')).out,
        /^sec-0 eds\/security SYNCED: has [0-9a-f]{16}, taken /m,
      );
      assert.match((await run('status')).err, /^error MESH_NOT_RUNNING: /);
    });

    it('tells what a sidecar runs with, and no key', async () => {
      // A sidecar's own checks may find a pod healthy a little later than the mesh found it serving.
      const healthy = /^ {2}security +sec-0 +127\.0\.0\.1:\d+ +healthy/m;
      const tables = await waitFor(
        async () => {
          const { out } = await on('config', 'proxy-0');
          assert.match(out, healthy);
          return out;
        },
        { timeoutMs: 30_000, what: 'the sidecar to find sec-0 healthy' },
      );
      assert.match(
        tables,
        /^ {2}mesh +active +127\.0\.0\.1:\d+ +http_connection_manager → rbac → grpc_stats → router/m,
      );
      assert.match(tables, /^ {2}out +\* +\/sallyport\.authorize\.v1\.ProxyAuthorize\/Authorize +security/m);
      const secrets = (await on('config', 'proxy-0', '--type', 'secrets', '--full')).out;
      assert.match(secrets, /BEGIN CERTIFICATE/);
      assert.doesNotMatch(secrets, /PRIVATE KEY/);
      const { items } = await jsonOn<{ items: { type: string; name: string; body: object }[] }>(
        mesh.stateDir,
        'config',
        'edge-0',
        '--type',
        'routes',
      );
      assert.deepEqual(
        items.map(({ type, name }) => `${type} ${name}`),
        ['routes public'],
      );
      assert.match((await on('config', 'nobody')).err, /^error NOT_FOUND: /);
      assert.equal((await on('config')).code, 2);
    });

    it('would be changed by a file where the file says so, and nowhere else', async () => {
      interface Changes {
        items: { pod: string; restart: boolean; args: string[]; changes: { type: string; name: string }[] }[];
      }
      assert.deepEqual((await jsonOn<Changes>(mesh.stateDir, 'diff')).items, []);
      writeFileSync(join(dir, 'edge.yaml'), "edge: {domains: ['a.example']}\n");
      const routes = await jsonOn<Changes>(mesh.stateDir, 'diff', '--file', 'edge.yaml');
      assert.deepEqual(
        routes.items.map(({ changes, restart }) => [
          changes.map(({ type, name }) => `${type}/${name}`),
          restart,
        ]),
        mesh.pods.filter(({ role }) => role === 'edge').map(() => [['rds/public'], false]),
      );
      writeFileSync(
        join(dir, 'threads.yaml'),
        'roles: {db: {sidecar: {concurrency: 2, max_connections: 77}}}\n',
      );
      const threads = await jsonOn<Changes>(mesh.stateDir, 'diff', 'db-0', '--file', 'threads.yaml');
      assert.deepEqual(
        threads.items.map(({ restart, args }) => [restart, args]),
        [[true, ['concurrency 1 → 2']]],
      );
      assert.match(
        (await on('diff', '--file', 'edge.yaml')).out,
        /domains\[0\]: \* → a\.example\n {4}later calls/,
      );
      assert.match((await run('diff')).err, /^error MESH_NOT_RUNNING: /);
    });

    it('sends a route key to the pod that is computed, and explains the way', async () => {
      interface Way {
        owner: string;
        succession: string[];
        observed?: { pod: string };
        items: { at: string; what: string; ok: boolean }[];
      }
      const owners = new Set<string>();
      for (const key of ['a', 'b', 'c', 'd', 'JYxkB2b5r9sQwM7GhTn1Vg']) {
        const way = await jsonOn<Way>(mesh.stateDir, 'explain', 'proxy-0', key, '--probe');
        assert.equal(way.code, 0, JSON.stringify(way));
        assert.equal(way.observed?.pod, way.owner, key);
        assert.deepEqual(
          [...way.succession].sort(),
          mesh.pods.filter(({ role }) => role === 'security').map(({ name }) => name),
        );
        owners.add(way.owner);
      }
      assert.ok(owners.size > 1);
      const way = (await on('explain', 'proxy-0', 'a.b.c')).out;
      assert.match(
        way,
        /route out\/security\[\d+\] \/sallyport\.authorize\.v1\.ProxyAuthorize\/Authorize → security/,
      );
      assert.match(way, /each at most 1s: on connect-failure/);
      assert.match(way, /^ {2}sec-\d +RBAC lets it in by policy proxy$/m);
      assert.match(way, /to the process by grpc\.sock$/m);
      const refused = await on(
        'explain',
        'proxy-0',
        '--request',
        'POST /sallyport.keystore.v1.KeyStore/CreateActivation',
      );
      assert.equal(refused.code, 1);
      assert.match(refused.out, /RBAC refuses it: role proxy may not use/);
      const unlisted = await on(
        'explain',
        'edge-0',
        '--request',
        'POST /sallyport.peer.v1.PeerService/HandOver',
      );
      assert.match(unlisted.out, /404/);
      assert.equal(unlisted.code, 1);
      const page = await on(
        'explain',
        'proxy-0',
        '--listener',
        'backends',
        '--authority',
        'intranet',
        '--request',
        'GET /news',
      );
      assert.match(page.out, /^ {2}intranet-0 +to the process by http\.sock$/m);
      for (const args of [['proxy-0'], ['proxy-0', '--request', 'GET']])
        assert.equal((await on('explain', ...args)).code, 2);
      assert.match(
        (await on('explain', 'proxy-0', 'a', '--listener', 'x')).err,
        /^error NOT_FOUND: .*\nhint: it has mesh/,
      );
    });

    it('is analysed: no error, and what one loss would stop', async () => {
      const told = await jsonOn<{ items: Finding[] }>(mesh.stateDir, 'analyze');
      assert.deepEqual(
        told.items.filter(({ severity }) => severity === 'error'),
        [],
      );
      assert.ok(
        told.items.some(({ code, where }) => code === 'SINGLE_POINT' && where === 'backend intranet'),
      );
      assert.equal((await on('analyze', '--strict')).code, 1);
      writeFileSync(join(dir, 'flap.yaml'), 'health: {interval: 200ms}\n');
      assert.match(
        (await run('analyze', '--file', 'flap.yaml')).out,
        /^! HEALTH_FLAPS health\.interval: .*\n {4}hint: /m,
      );
    });
  });
});
