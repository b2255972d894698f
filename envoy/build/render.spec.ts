import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { embeddedTopology } from '#compose/topology/embedded.ts';
import { goldenPods, goldenTopology } from '../golden-topology.ts';
import { parseMesh } from '../model/load.ts';
import { renderMesh, renderPod } from './render.ts';
import { watchedFiles } from './watched-files.ts';

const topology = goldenTopology();
const text = (mesh: string, pod: string): string =>
  JSON.stringify(renderPod(parseMesh(mesh, 't'), topology, pod));

describe('rendering', () => {
  it('gives every pod of a mesh, each resource name once', () => {
    const pods = renderMesh(parseMesh('', 't'), topology);
    assert.deepEqual(
      pods.map((p) => p.pod),
      topology.pods.map((p) => p.name),
    );
    for (const { pod, xds } of pods)
      for (const [type, resources] of Object.entries(xds)) {
        const names = resources.map((r) => r.name);
        assert.deepEqual([...new Set(names)], names, `${pod} ${type}`);
      }
  });

  it('has few files to be watched, so that two meshes fit into the default limit of 128', () => {
    const model = parseMesh('', 't');
    const count = (pod: string) => watchedFiles(renderPod(model, topology, pod)).size;
    const counts = goldenPods.map(({ role, pod }) => [role, count(pod)]);
    assert.deepEqual(Object.fromEntries(counts), {
      edge: 7,
      proxy: 5,
      security: 5,
      gateway: 5,
      worker: 3,
      service: 5,
      db: 3,
      backend: 3,
    });
    let port = 20_000;
    const embedded = embeddedTopology({ stateDir: '/s', runDir: '/r', allocatePort: () => port++ });
    const all = renderMesh(model, embedded).reduce((sum, pod) => sum + watchedFiles(pod).size, 0);
    assert.ok(2 * all <= 128, `${all} for one mesh`);
  });

  it('refuses a pod that is not there', () => {
    assert.throws(() => text('', 'sec-9'), /there is no pod "sec-9"/);
  });

  it('traces only with an endpoint, over HTTP or gRPC', () => {
    assert.doesNotMatch(text('', 'sec-0'), /otlp/);
    assert.match(
      text('telemetry: {endpoint: "http://127.0.0.1:4318"}', 'sec-0'),
      /127\.0\.0\.1:4318\/v1\/traces/,
    );
    assert.match(
      text('telemetry: {endpoint: "grpc://otel:4317"}', 'edge-0'),
      /"envoy_grpc":\{"cluster_name":"otlp"\}/,
    );
  });

  it('follows its knobs', () => {
    assert.doesNotMatch(text('edge: {http3: false}', 'edge-0'), /quic|alt-svc/);
    assert.doesNotMatch(text('', 'edge-0'), /envoy\.filters\.http\.cors/);
    assert.match(
      text('edge: {cors_origins: ["https://a.example"]}', 'edge-0'),
      /"exact":"https:\/\/a\.example"/,
    );
    assert.match(text('sidecar: {access_log: errors}', 'proxy-0'), /access\.log/);
    assert.doesNotMatch(text('telemetry: {method_stats: false}', 'proxy-0'), /grpc_stats/);
    assert.doesNotMatch(text('retries: {attempts: 0}', 'edge-0'), /retry_policy/);
    assert.match(text('backends: {clusters: {intranet: {health_path: /up}}}', 'proxy-0'), /"path":"\/up"/);
    assert.match(text('roles: {edge: {sidecar: {concurrency: 2}}}', 'edge-0'), /"enable_reuse_port":true/);
  });

  it('names who may be at the other end of every TLS connection', () => {
    for (const { pod, xds } of renderMesh(parseMesh('', 't'), topology))
      for (const { name, body } of xds.cds) {
        if (body.type !== 'EDS' && !JSON.stringify(body).includes('"socket_address"')) continue;
        assert.match(
          JSON.stringify(body),
          /"san_type":"URI","matcher":\{"(exact|prefix)":"spiffe:\/\//,
          `${pod} ${name}`,
        );
        assert.match(JSON.stringify(body), /"tls_maximum_protocol_version":"TLSv1_3"/);
      }
  });
});
