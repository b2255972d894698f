import assert from 'node:assert/strict';
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'mocha';
import { meshTls } from '#compose/topology/paths.ts';
import { podNamed, podsOf } from '#compose/topology/query.ts';
import { openPki } from '#kernel/pki/pki.ts';
import { renderMesh, renderPod } from '../build/render.ts';
import { goldenTopology } from '../golden-topology.ts';
import { loadMesh, parsePatches } from '../model/load.ts';
import { checkCertificates } from './certificates.ts';
import type { Finding } from './finding.ts';
import { checkIdentities, matchesText } from './identities.ts';
import { withPatches } from './patched-by.ts';
import { checkReferences } from './references.ts';
import { onFreePorts } from './scratch.ts';

const topology = goldenTopology();
const model = loadMesh();
const findings = (pod: string, patches: string): Finding[] => {
  const parsed = parsePatches(patches, 'p.yaml');
  const rendered = renderPod(model, topology, pod, { patches: parsed });
  return [...checkReferences(topology, rendered), ...checkIdentities(topology, rendered)].map((each) =>
    withPatches(each, podNamed(topology, pod), rendered, parsed),
  );
};
const codes = (found: readonly Finding[]): string[] => found.map(({ code, where }) => `${code} ${where}`);

describe('checking a configuration', () => {
  it('finds nothing in what is rendered without patches', () => {
    for (const rendered of renderMesh(model, topology)) {
      assert.deepEqual(checkReferences(topology, rendered), []);
      assert.deepEqual(checkIdentities(topology, rendered), []);
    }
  });

  it('finds routes, TCP proxies and mirrors that lead nowhere, and names the patch', () => {
    const found = findings(
      'edge-0',
      '[{match: {type: RouteConfiguration, name: public}, at: [virtual_hosts, 0, routes, 0], merge: {route: {cluster: a, request_mirror_policies: [{cluster: b}]}}}]',
    );
    assert.deepEqual(codes(found), ['UNKNOWN_CLUSTER rds/public', 'UNKNOWN_CLUSTER rds/public']);
    assert.deepEqual(found[0]?.patches, ['p.yaml']);
    const proxy = findings(
      'db-0',
      '[{match: {type: Listener, name: mysql}, at: [filter_chains, 0, filters, 1, typed_config], merge: {cluster: nowhere}}]',
    );
    assert.deepEqual(codes(proxy), ['UNKNOWN_CLUSTER lds/mysql']);
  });

  it('finds endpoints, routes and secrets of a name that nothing has', () => {
    assert.deepEqual(
      codes(
        findings(
          'edge-0',
          '[{match: {type: Cluster, name: proxy}, merge: {eds_cluster_config: {service_name: other}}}]',
        ),
      ),
      ['UNKNOWN_ENDPOINTS cds/proxy'],
    );
    assert.deepEqual(
      codes(
        findings(
          'proxy-0',
          '[{match: {type: Listener, name: out}, at: [filter_chains, 0, filters, 0, typed_config, rds], merge: {route_config_name: x}}]',
        ),
      ),
      ['UNKNOWN_ROUTES lds/out'],
    );
    assert.deepEqual(
      codes(
        findings(
          'proxy-0',
          '[{match: {type: Cluster, name: security}, at: [transport_socket, typed_config, common_tls_context, tls_certificate_sds_secret_configs, 0], merge: {name: x}}]',
        ),
      ),
      ['UNKNOWN_SECRET cds/security'],
    );
    assert.deepEqual(
      codes(
        findings(
          'proxy-0',
          '[{match: {type: RouteConfiguration, name: mesh}, merge: {validate_clusters: null}}]',
        ),
      ),
      ['CLUSTERS_NOT_CHECKED lds/mesh'],
    );
  });

  it('finds peers that a cluster would refuse, and callers whom RBAC knows by a name that nobody has', () => {
    const peers = findings(
      'proxy-0',
      '[{match: {type: Cluster, name: security}, at: [transport_socket, typed_config, common_tls_context, validation_context], merge: {match_typed_subject_alt_names: [{san_type: URI, matcher: {prefix: "spiffe://sallyport.internal/proxy/"}}]}}]',
    );
    assert.deepEqual(
      codes(peers),
      Array(podsOf(topology, 'security').length).fill('PEER_NOT_MATCHED cds/security'),
    );
    const rbac = [
      'filter_chains',
      '0',
      'filters',
      '0',
      'typed_config',
      'http_filters',
      '0',
      'typed_config',
      'rules',
      'policies',
      'edge',
    ];
    const callers = findings(
      'proxy-0',
      `[{match: {type: Listener, name: mesh}, at: [${rbac.join(', ')}], merge: {principals: [{authenticated: {principal_name: {prefix: "spiffe://other/edge/"}}}]}}]`,
    );
    assert.deepEqual(codes(callers), ['CALLER_NOT_MATCHED lds/mesh']);
  });

  it('matches text as Envoy does', () => {
    assert.ok(matchesText({ exact: 'a' }, 'a'));
    assert.ok(matchesText({ prefix: 'A', ignore_case: true }, 'ab'));
    assert.ok(matchesText({ suffix: 'b' }, 'ab'));
    assert.ok(matchesText({ contains: 'b' }, 'abc'));
    assert.ok(matchesText({ safe_regex: { regex: 'a.c' } }, 'abc'));
    assert.ok(!matchesText({ safe_regex: { regex: 'a.' } }, 'abc'));
    assert.ok(!matchesText({ custom: {} }, 'a'));
  });

  it('tries listeners on free ports of loopback, and leaves endpoints as they are', () => {
    const rendered = renderPod(model, topology, 'edge-0');
    const tried = onFreePorts(rendered, topology);
    for (const { body } of tried.xds.lds)
      assert.match(JSON.stringify(body.address), /"address":"127.0.0.1","port_value":0/);
    assert.match(JSON.stringify(tried.xds.lds[1]?.body.address), /"protocol":"UDP"/);
    assert.deepEqual(tried.xds.eds, rendered.xds.eds);
  });
});

describe('checking certificates', () => {
  it('finds what is missing, foreign, of another key or pod, and about to expire', async () => {
    const stateDir = mkdtempSync(join(tmpdir(), 'sp-certs-'));
    try {
      const mesh = { ...topology, stateDir };
      const pods = [podNamed(mesh, 'sec-0'), podNamed(mesh, 'sec-1')];
      const look = (hoursLater = 0) =>
        checkCertificates(mesh, pods, Date.now() + hoursLater * 3_600_000).map(
          ({ code, pod }) => `${code} ${pod}`,
        );
      assert.deepEqual(look(), ['CERTIFICATE_MISSING sec-0', 'CERTIFICATE_MISSING sec-1']);
      const pki = await openPki(stateDir);
      for (const { name, role } of pods) await pki.ensurePod(name, role);
      assert.deepEqual(look(), []);
      assert.deepEqual(look(719), ['CERTIFICATE_NEAR_EXPIRY sec-0', 'CERTIFICATE_NEAR_EXPIRY sec-1']);
      assert.deepEqual(look(1000), ['CERTIFICATE_EXPIRED sec-0', 'CERTIFICATE_EXPIRED sec-1']);
      const [files, others] = [meshTls(mesh, 'sec-0'), meshTls(mesh, 'sec-1')];
      copyFileSync(others.key, files.key);
      assert.deepEqual(look(), ['CERTIFICATE_KEY_MISMATCH sec-0']);
      copyFileSync(others.cert, files.cert);
      assert.deepEqual(look(), ['CERTIFICATE_NAME_MISMATCH sec-0']);
      const foreign = await openPki(join(stateDir, 'other'));
      const { dir } = await foreign.ensurePod('sec-0', 'security');
      copyFileSync(join(dir, 'current', 'ca.crt'), files.ca);
      assert.deepEqual(look(), ['CERTIFICATE_NAME_MISMATCH sec-0', 'CERTIFICATE_UNTRUSTED sec-0']);
      writeFileSync(files.key, 'no key');
      assert.deepEqual(look(), ['CERTIFICATE_KEY_MISMATCH sec-0']);
    } finally {
      rmSync(stateDir, { recursive: true, force: true });
    }
  });
});
