import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { embeddedTopology } from '#compose/topology/embedded.ts';
import { bootstrapFile, meshTls, publicTls, xdsFile } from '#compose/topology/paths.ts';
import { podNamed } from '#compose/topology/query.ts';
import type { Topology } from '#compose/topology/types.ts';
import { writeTls } from '#kernel/pki/tls-folder.ts';
import { renderPod } from '../build/render.ts';
import { loadMesh } from '../model/load.ts';
import { envoyArgs } from './args.ts';
import { writePod } from './write.ts';

const model = loadMesh();

describe('writing a pod’s Envoy configuration', () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'sp-write-'));
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  const topologyWith = (security: number): Topology => {
    let port = 20_000;
    return embeddedTopology({ stateDir: dir, runDir: '/run/s', security, db: 0, allocatePort: () => port++ });
  };
  const clustersIn = (file: string): string[] =>
    (JSON.parse(readFileSync(file, 'utf8')) as { resources: { name: string }[] }).resources.map(
      (r) => r.name,
    );

  const issue = (t: Topology, pod: string, version: number, ca = 'root 1') =>
    writeTls(meshTls(t, pod).dir, { cert: `cert ${version}`, key: `key ${version}`, ca });
  const written = (t: Topology, pod: string, type: 'sds' | 'cds' | 'lds', resource?: string) =>
    readFileSync(xdsFile(t, pod, type, resource), 'utf8');

  it('touches nothing when nothing has changed', async () => {
    const t = topologyWith(2);
    await issue(t, 'edge-0', 1);
    await writeTls(publicTls(t, 'edge-0').dir, { cert: 'public cert', key: 'public key' });
    const first = await writePod(t, renderPod(model, t, 'edge-0'));
    assert.ok(first.restart);
    const before = statSync(bootstrapFile(t, 'edge-0')).ino;
    let settled = 0;
    const second = await writePod(t, renderPod(model, t, 'edge-0'), {
      settle: async () => {
        settled++;
      },
    });
    assert.deepEqual(second, { changed: [], removed: [], restart: false });
    assert.equal(statSync(bootstrapFile(t, 'edge-0')).ino, before);
    assert.equal(settled, 0);
  });

  it('rewrites endpoints alone when a pod drains', async () => {
    const t = topologyWith(3);
    await issue(t, 'proxy-0', 1);
    await writePod(t, renderPod(model, t, 'proxy-0'));
    const drained = renderPod(model, t, 'proxy-0', { draining: new Set(['sec-1']) });
    const { changed, restart } = await writePod(t, drained);
    assert.deepEqual(changed, ['eds/security.json']);
    assert.equal(restart, false);
    assert.doesNotMatch(readFileSync(xdsFile(t, 'proxy-0', 'eds', 'security'), 'utf8'), /sec-1/);
  });

  it('keeps a leaving cluster until no route leads to it, then removes its files', async () => {
    const big = topologyWith(3);
    const small = topologyWith(2);
    await issue(big, 'sec-0', 1);
    await writePod(big, renderPod(model, big, 'sec-0'));
    const cds = xdsFile(big, 'sec-0', 'cds');
    const rds = xdsFile(big, 'sec-0', 'rds', 'out');
    const seen: { cluster: boolean; route: boolean }[] = [];
    const { removed } = await writePod(small, renderPod(model, small, 'sec-0'), {
      settle: async () => {
        const cluster = clustersIn(cds).includes('security-pod/sec-2');
        seen.push({ cluster, route: readFileSync(rds, 'utf8').includes('sec-2') });
      },
    });
    assert.ok(
      seen.every(({ cluster, route }) => cluster || !route),
      JSON.stringify(seen),
    );
    assert.ok(seen.some(({ cluster, route }) => cluster && !route));
    assert.deepEqual(seen.at(-1), { cluster: false, route: false });
    assert.deepEqual(removed, []);
  });

  it('removes the files of what is no more', async () => {
    const t = topologyWith(1);
    await issue(t, 'proxy-0', 1);
    const rendered = renderPod(model, t, 'proxy-0');
    await writePod(t, rendered);
    const { removed } = await writePod(t, { ...rendered, xds: { ...rendered.xds, eds: [] } });
    assert.deepEqual(removed, ['eds/security.json']);
    assert.ok(!existsSync(xdsFile(t, 'proxy-0', 'eds', 'security')));
  });

  it('writes certificates along, and a new one alone when nothing else is new', async () => {
    const t = topologyWith(1);
    const rendered = renderPod(model, t, 'sec-0');
    await issue(t, 'sec-0', 1);
    await writePod(t, rendered);
    assert.match(written(t, 'sec-0', 'sds', 'mesh-cert'), /"inline_string": "cert 1"[\s\S]*"key 1"/);
    for (const type of ['cds', 'lds'] as const) {
      assert.match(written(t, 'sec-0', type), /"trusted_ca": \{\s*"inline_string": "root 1"/);
      assert.doesNotMatch(written(t, 'sec-0', type), /key 1|"filename"/);
    }
    await issue(t, 'sec-0', 2);
    assert.deepEqual((await writePod(t, rendered)).changed, ['sds/mesh-cert.json']);
    assert.match(written(t, 'sec-0', 'sds', 'mesh-cert'), /"cert 2"[\s\S]*"key 2"/);
    await issue(t, 'sec-0', 3, 'root 1 root 2');
    assert.deepEqual((await writePod(t, rendered)).changed, [
      'sds/mesh-cert.json',
      'cds/cds.json',
      'lds/lds.json',
    ]);
  });

  it('writes nothing for a pod without a certificate', async () => {
    const t = topologyWith(1);
    await assert.rejects(writePod(t, renderPod(model, t, 'sec-0')), {
      reason: 'CONFIG_INVALID',
      message: /sec-0\/tls\/current\/.* cannot be read/,
    });
    assert.ok(!existsSync(bootstrapFile(t, 'sec-0')));
  });

  it('leaves no half-written file, and nothing that others may read', async () => {
    const t = topologyWith(1);
    await issue(t, 'proxy-0', 1);
    await writePod(t, renderPod(model, t, 'proxy-0'));
    const files = readdirSync(join(dir, 'pods/proxy-0/envoy'), { recursive: true, withFileTypes: true });
    for (const file of files.filter((f) => f.isFile())) {
      assert.match(file.name, /\.json$/);
      assert.equal(statSync(join(file.parentPath, file.name)).mode & 0o077, 0);
    }
  });

  it('gives the arguments of a sidecar', () => {
    const t = topologyWith(1);
    const args = envoyArgs(model, t, podNamed(t, 'sec-0'));
    assert.deepEqual(args.slice(0, 2), ['--config-path', bootstrapFile(t, 'sec-0')]);
    for (const wanted of ['--reject-unknown-dynamic-fields', '--disable-hot-restart'])
      assert.ok(args.includes(wanted));
  });
});
