import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { logFile, xdsFile } from '#compose/topology/paths.ts';
import { parseConfigDump } from './config-dump.ts';
import { parseHosts } from './hosts.ts';
import { parseStats } from './stats.ts';
import { type Subscription, subscriptionsIn } from './subscriptions.ts';
import { synchronised } from './synchronised.ts';

describe("a sidecar's admin", () => {
  it('tells numbers, texts and subscriptions in its statistics', () => {
    const stats = parseStats(
      [
        'cluster_manager.cds.version_text: "abc"',
        'cluster_manager.cds.update_success: 2',
        'cluster_manager.cds.update_rejected: 1',
        'cluster_manager.cds.update_time: 1795751362634',
        'cluster.security-pod/sec-0.version_text: ""',
        'http.public.rds.public.version_text: "r"',
        'sds.mesh-cert.version_text: "s"',
        'listener.0.0.0.0_15000.downstream_cx_total: 5',
        'cluster.x.upstream_cx_length_ms: P0(nan,1)',
      ].join('\n'),
    );
    assert.equal(stats.numbers.get('listener.0.0.0.0_15000.downstream_cx_total'), 5);
    const found = subscriptionsIn(stats);
    assert.deepEqual(
      found.map(({ type, resource, version }) => `${type}/${resource} ${version}`),
      ['cds/cds abc', 'eds/security-pod/sec-0 ', 'rds/public r', 'sds/mesh-cert s'],
    );
    assert.deepEqual(
      { taken: found[0]?.taken, rejected: found[0]?.rejected, at: found[0]?.takenAt },
      { taken: 2, rejected: 1, at: 1_795_751_362_634 },
    );
  });

  it('tells what it runs with, whose keys stay out of it', () => {
    const dump = parseConfigDump({
      configs: [
        { bootstrap: { node: { id: 'a' } }, last_updated: 't' },
        {
          dynamic_listeners: [
            {
              name: 'mesh',
              active_state: { version_info: '1', listener: { name: 'mesh' }, last_updated: 't' },
              warming_state: { version_info: '2', listener: { name: 'mesh' } },
              error_state: { details: 'bad' },
            },
          ],
        },
        { dynamic_warming_clusters: [{ version_info: '3', cluster: { name: 'proxy' } }] },
        {
          dynamic_active_secrets: [
            { name: 's', secret: { name: 's', tls_certificate: { private_key: { inline_string: 'KEY' } } } },
          ],
        },
      ],
    });
    assert.deepEqual(
      dump.listeners.map(({ state, version, error }) => [state, version, error]),
      [
        ['active', '1', 'bad'],
        ['warming', '2', 'bad'],
      ],
    );
    assert.deepEqual(
      dump.clusters.map(({ name, state }) => [name, state]),
      [['proxy', 'warming']],
    );
    assert.doesNotMatch(JSON.stringify(dump), /KEY/);
    assert.equal(dump.bootstrap.length, 1);
  });

  it('tells why a host gets no calls; a primary that calls itself degraded does', () => {
    const address = { socket_address: { address: '127.0.0.1', port_value: 1 } };
    const hosts = parseHosts({
      cluster_statuses: [
        {
          name: 'db-rw',
          host_statuses: [
            { address, health_status: { failed_active_degraded_check: true } },
            { address, health_status: { failed_active_health_check: true, failed_outlier_check: true } },
          ],
        },
      ],
    });
    assert.deepEqual(
      hosts.map(({ address: at, healthy, ejected, reasons }) => [at, healthy, ejected, reasons.length]),
      [
        ['127.0.0.1:1', true, false, 0],
        ['127.0.0.1:1', false, true, 2],
      ],
    );
  });
});

describe('what is on disk and what a sidecar runs with', () => {
  let dir: string;
  let folders: { stateDir: string; runDir: string };
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'sp-sync-'));
    folders = { stateDir: dir, runDir: dir };
    for (const [path, text] of [
      [xdsFile(folders, 'a', 'cds'), '{\n  "version_info": "new",\n  "resources": []\n}'],
      [
        logFile(folders, 'a', 'envoy'),
        "[2026-11-27 03:50:06.290][1][warning][x] [a] cds: cluster 'proxy' config rejected: too bad\n",
      ],
    ] as const) {
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, text);
    }
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));
  const look = (version: string, rejected: number) => {
    const cds: Subscription = {
      type: 'cds',
      resource: 'cds',
      version,
      taken: 1,
      rejected,
      failed: 0,
      takenAt: 5,
    };
    const [found] = synchronised(folders, 'a', [cds]);
    return [found?.state, found?.reason];
  };

  it('are the same, or not yet, or it has refused and said why', () => {
    assert.deepEqual(look('new', 0), ['SYNCED', '']);
    assert.deepEqual(look('new', 3), ['SYNCED', '']);
    assert.deepEqual(look('old', 0), ['STALE', '']);
    assert.deepEqual(look('old', 1), ['NACK', 'too bad']);
    assert.deepEqual(look('', 0), ['STALE', '']);
  });
});
