import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { embeddedTopology } from '#compose/topology/embedded.ts';
import { bootstrapFile, xdsFile } from '#compose/topology/paths.ts';
import { podNamed } from '#compose/topology/query.ts';
import type { Topology } from '#compose/topology/types.ts';
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

  it('touches nothing when nothing has changed', async () => {
    const t = topologyWith(2);
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
    assert.ok(removed.includes('eds/security-pod.sec-2.json'));
    assert.ok(!existsSync(xdsFile(big, 'sec-0', 'eds', 'security-pod/sec-2')));
  });

  it('leaves no half-written file, and nothing that others may read', async () => {
    const t = topologyWith(1);
    await writePod(t, renderPod(model, t, 'edge-0'));
    const files = readdirSync(join(dir, 'pods/edge-0/envoy'), { recursive: true, withFileTypes: true });
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
