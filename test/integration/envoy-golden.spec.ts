import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'mocha';
import { inotifyOf } from '#compose/runner/inotify.ts';
import { envoyDir, podRunDir, type XdsType, xdsFile } from '#compose/topology/paths.ts';
import { podNamed } from '#compose/topology/query.ts';
import type { Pod } from '#compose/topology/types.ts';
import { renderPod } from '#envoy/build/render.ts';
import { watchedFiles } from '#envoy/build/watched-files.ts';
import { type RunningEnvoy, startEnvoy } from '#envoy/check/run-envoy.ts';
import { goldenFolders, goldenPods, goldenTopology } from '#envoy/golden-topology.ts';
import type { JsonObject } from '#envoy/model/json.ts';
import { loadMesh } from '#envoy/model/load.ts';
import { validateArgs } from '#envoy/write/args.ts';
import { inlineFilesIn } from '#envoy/write/inline-files.ts';
import { openPki } from '#kernel/pki/pki.ts';
import { waitFor } from '#kernel/time/wait-for.ts';
import { envoyBinary } from '#test/envoy.ts';
import { startFakeMesh } from '#test/fake-mesh.ts';
import { portFinder } from '#test/ports.ts';

/**
 * Every golden file goes through the real Envoy: the bootstrap by --mode validate, and, since that does not
 * read resource files, all of them by an Envoy that is started and asked what it has taken.
 */
describe('golden files in the real Envoy', function () {
  this.timeout(120_000);
  const golden = join(import.meta.dirname, '..', '..', 'envoy', 'golden');
  const model = loadMesh();
  const topology = goldenTopology();
  const findPort = portFinder();
  const running: RunningEnvoy[] = [];
  let bin: string;
  let dir: string;
  let folders: { stateDir: string; runDir: string };

  before(async () => {
    bin = await envoyBinary();
    dir = mkdtempSync(join(tmpdir(), 'sp-gold-'));
    folders = { stateDir: join(dir, 'state'), runDir: join(dir, 'run') };
    const pki = await openPki(folders.stateDir);
    for (const { role, pod } of goldenPods) {
      await pki.ensurePod(pod, role, { ips: ['127.0.0.1'] });
      if (role === 'edge') await pki.ensurePublic(pod, { ips: ['127.0.0.1'] });
      await unpack(role, pod);
    }
  });
  after(async () => {
    await Promise.all(running.map((envoy) => envoy.stop()));
    rmSync(dir, { recursive: true, force: true });
  });

  // The fixed folders and ports of the golden files give way to those of this run, certificates are put in.
  async function unpack(role: string, pod: string): Promise<void> {
    const target = envoyDir(folders, pod);
    cpSync(join(golden, role), target, { recursive: true });
    mkdirSync(podRunDir(folders, pod), { recursive: true });
    const ports = new Map<string, number>();
    for (const entry of readdirSync(target, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue;
      const file = join(entry.parentPath, entry.name);
      let text = readFileSync(file, 'utf8')
        .replaceAll(goldenFolders.stateDir, folders.stateDir)
        .replaceAll(goldenFolders.runDir, folders.runDir);
      for (const [, port] of text.matchAll(/"port_value": (\d+)/g))
        if (port !== undefined && !ports.has(port)) ports.set(port, await findPort());
      text = text.replaceAll(/"port_value": (\d+)/g, (_, port: string) => `"port_value": ${ports.get(port)}`);
      writeFileSync(file, JSON.stringify(inlineFilesIn(JSON.parse(text) as JsonObject), null, 2));
    }
  }

  const count = (pod: string, type: XdsType): number => {
    const folder = join(envoyDir(folders, pod), type);
    if (type !== 'lds' && type !== 'cds') return existsSync(folder) ? readdirSync(folder).length : 0;
    return (JSON.parse(readFileSync(xdsFile(folders, pod, type), 'utf8')) as { resources: unknown[] })
      .resources.length;
  };

  async function boot(pod: Pod): Promise<RunningEnvoy> {
    const envoy = await startEnvoy(bin, model, folders, pod);
    running.push(envoy);
    return envoy;
  }

  for (const { role, pod } of goldenPods)
    it(`a ${role} sidecar validates, and takes all of its resources`, async () => {
      execFileSync(bin, validateArgs(folders, podNamed(topology, pod)), { stdio: 'pipe', timeout: 30_000 });
      const envoy = await boot(podNamed(topology, pod));
      const stats = await envoy.stats();
      const bad = [...stats].filter(
        ([name, value]) =>
          value > 0 && /update_(rejected|failure)$|init_fetch_timeout$|create_failure$/.test(name),
      );
      assert.deepEqual(bad, [], envoy.log());
      assert.equal(stats.get('listener_manager.total_listeners_active'), count(pod, 'lds'));
      assert.equal(stats.get('cluster_manager.active_clusters'), count(pod, 'cds'));
      assert.equal(stats.get('cluster_manager.warming_clusters'), 0);
      const taken = (pattern: RegExp) =>
        new Set([...stats].filter(([name, n]) => n > 0 && pattern.test(name)).map(([name]) => name)).size;
      assert.equal(taken(/^http\..*\.rds\..*\.update_success$/), count(pod, 'rds'), 'routes');
      assert.equal(taken(/^cluster\..*\.update_success$/), count(pod, 'eds'), 'endpoints');
      assert.equal(taken(/^sds\..*\.update_success$/), count(pod, 'sds'), 'secrets');
      assert.doesNotMatch(envoy.log(), /deprecated|Unknown field/i);
      if (process.platform === 'linux')
        assert.equal(inotifyOf(envoy.pid), watchedFiles(renderPod(model, topology, pod)).size, 'inotify');
      await envoy.stop();
    });

  for (const [type, resource] of [
    ['cds', undefined],
    ['lds', undefined],
    ['eds', 'proxy'],
    ['rds', 'public'],
  ] as const)
    it(`refuses an unknown field in ${type} and keeps what it had`, async () => {
      await unpack('edge', 'edge-0');
      const envoy = await boot(podNamed(topology, 'edge-0'));
      const file = xdsFile(folders, 'edge-0', type, resource);
      const good = readFileSync(file, 'utf8');
      const body = JSON.parse(good) as { resources: Record<string, unknown>[] };
      for (const r of body.resources) r.no_such_field = true;
      writeFileSync(`${file}.new`, JSON.stringify(body));
      renameSync(`${file}.new`, file);
      await waitFor(
        async () =>
          [...(await envoy.stats())].some(([name, n]) => n > 0 && /\.update_(rejected|failure)$/.test(name)),
        { timeoutMs: 10_000, everyMs: 50, what: 'the refusal' },
      );
      const stats = await envoy.stats();
      assert.equal(stats.get('listener_manager.total_listeners_active'), count('edge-0', 'lds'));
      assert.equal(stats.get('cluster_manager.active_clusters'), 2);
      await envoy.stop();
    });

  it('takes every knob that is off by default', async () => {
    const mesh = await startFakeMesh(
      { security: 1, proxies: 1, edges: 1, db: 0, backends: ['intranet'] },
      `
sidecar: {access_log: errors, concurrency: 2}
retries: {per_try_timeout: 0s}
edge: {cors_origins: ['https://console.example'], tls_minimum: TLSv1_3}
backends: {health_path: /healthz, attempts: 0, timeout: 30s}
telemetry: {endpoint: 'http://127.0.0.1:4318', method_stats: false}
roles: {proxy: {sidecar: {access_log: all}}}`,
    );
    try {
      for (const [pod, envoy] of mesh.envoys) {
        const bad = [...(await envoy.stats())].filter(
          ([name, value]) => value > 0 && /update_(rejected|failure)$/.test(name),
        );
        assert.deepEqual(bad, [], `${pod}: ${envoy.log()}`);
      }
    } finally {
      await mesh.close();
    }
  });
});
