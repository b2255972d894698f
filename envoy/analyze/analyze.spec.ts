import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { embeddedTopology } from '#compose/topology/embedded.ts';
import type { Host } from '../admin/hosts.ts';
import type { Finding } from '../check/finding.ts';
import { loadMesh, parseMesh, tuningOf } from '../model/load.ts';
import { analyzeClusters } from './clusters.ts';
import { analyzeKnobs, analyzeTopology } from './knobs.ts';

const topology = (sizes: object = {}) => {
  let port = 20_000;
  return embeddedTopology({ stateDir: '/s', runDir: '/r', allocatePort: () => port++, ...sizes });
};
const codes = (found: readonly Finding[]) => found.map(({ code, where }) => `${code} ${where}`);
const knobs = (text: string) => codes(analyzeKnobs(parseMesh(text, 't'), topology(), 10_000));

describe('knobs', () => {
  it('are well as shipped', () => {
    assert.deepEqual(knobs(''), []);
  });

  it('are found where they contradict each other, the lease, or what was measured', () => {
    for (const [text, found] of [
      ['health: {interval: 600ms, timeout: 600ms}', 'HEALTH_OVERLAP health.timeout'],
      ['health: {interval: 400ms, timeout: 100ms}', 'HEALTH_FLAPS health.interval'],
      ['health: {panic_threshold: 0}', 'PANIC_OFF health.panic_threshold'],
      ['health: {unhealthy_threshold: 10}', 'SLOW_DETECTION health.unhealthy_threshold'],
      ['retries: {attempts: 0}', 'RETRIES_OFF retries.attempts'],
      ['retries: {per_try_timeout: 0s}', 'NO_TRY_TIMEOUT retries.per_try_timeout'],
      ['retries: {per_try_timeout: 3s}', 'TRY_OUTLASTS_LEASE retries.per_try_timeout'],
      ['retries: {budget_percent: 20, budget_min_concurrency: 10}', 'BUDGET_SMALL retries.budget_percent'],
      ['connections: {keepalive_interval: 10s}', 'KEEPALIVE_SLOW connections.keepalive_interval'],
      ['connections: {keepalive_timeout: 500ms}', 'KEEPALIVE_OVERLAP connections.keepalive_timeout'],
      ['outlier: {max_ejection_percent: 80}', 'EJECTS_MANY outlier.max_ejection_percent'],
      ['sticky: {maglev_table_size: 65536}', 'TABLE_SMALL sticky.maglev_table_size'],
      ['edge: {exchange_timeout: 10s}', 'EDGE_TIMEOUTS edge.exchange_timeout'],
      ['database: {check_interval: 2s}', 'DATABASE_SLOW database.check_interval'],
      ['backends: {keep_open: 5s}', 'KEEP_OPEN_LONG backends.keep_open'],
      ['roles: {proxy: {retries: {attempts: 0}}}', 'RETRIES_OFF roles.proxy.retries.attempts'],
    ] as const)
      assert.deepEqual(knobs(text), [found], text);
  });
});

describe('a topology', () => {
  it('is found to have tiers of one, on one host, or without a majority to lose', () => {
    assert.deepEqual(codes(analyzeTopology(topology())), ['SINGLE_POINT backend intranet']);
    const small = topology({
      edges: 1,
      db: 2,
      backendReplicas: 2,
      hosts: [{ name: 'h', address: '127.0.0.1' }],
    });
    assert.deepEqual(codes(analyzeTopology(small)), [
      'ONE_HOST db',
      'QUORUM db',
      'ONE_HOST security',
      'ONE_HOST proxy',
      'ONE_HOST backend intranet',
      'SINGLE_POINT edge',
    ]);
  });
});

describe("a sidecar's clusters", () => {
  const host = (cluster: string, port: number, healthy: boolean, ejected = false): Host => ({
    cluster,
    address: `127.0.0.1:${port}`,
    hostname: '',
    healthy,
    reasons: healthy ? [] : ['fails its health check'],
    ejected,
    weight: 1,
    requests: 0,
    errors: 0,
    active: 0,
  });
  const analyze = (hosts: readonly Host[], numbers: Record<string, number> = {}) =>
    codes(
      analyzeClusters({
        pod: 'proxy-0',
        tuning: tuningOf(loadMesh(), 'proxy'),
        hosts,
        limits: new Map([['security', { connections: 10, pending: 10, requests: 10 }]]),
        stats: { numbers: new Map(Object.entries(numbers)), texts: new Map() },
        place: (address) => address,
      }),
    );
  const up = [host('security', 1, true), host('security', 2, true), host('security', 3, true)];

  it('are found with pods that are down or ejected, in panic, and with nobody left', () => {
    assert.deepEqual(analyze(up), []);
    assert.deepEqual(analyze([...up.slice(1), host('security', 1, false)]), [
      'ENDPOINT_UNHEALTHY cds/security',
    ]);
    assert.deepEqual(analyze([...up.slice(1), host('security', 1, false, true)]), [
      'ENDPOINT_EJECTED cds/security',
    ]);
    assert.ok(
      analyze([up[0] as Host, host('security', 2, false), host('security', 3, false)]).includes(
        'PANIC cds/security',
      ),
    );
    assert.ok(analyze([host('security', 2, false)]).includes('NO_HEALTHY_ENDPOINT cds/security'));
  });

  it('are well when MySQL has one primary of three', () => {
    assert.deepEqual(analyze([host('db-rw', 1, true), host('db-rw', 2, false), host('db-rw', 3, false)]), []);
    assert.deepEqual(analyze([host('db-rw', 1, false)]), ['NO_HEALTHY_ENDPOINT cds/db-rw']);
  });

  it('are found near, at and beyond their limits', () => {
    assert.deepEqual(analyze(up, { 'cluster.security.upstream_rq_active': 8 }), [
      'BREAKER_NEAR cds/security',
    ]);
    assert.deepEqual(analyze(up, { 'cluster.security.circuit_breakers.default.cx_open': 1 }), [
      'BREAKER_OPEN cds/security',
    ]);
    assert.deepEqual(analyze(up, { 'cluster.security.upstream_rq_pending_overflow': 4 }), [
      'BREAKER_OVERFLOWED cds/security',
    ]);
  });
});
