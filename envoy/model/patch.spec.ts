import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { renderMesh, renderPod } from '../build/render.ts';
import { goldenTopology } from '../golden-topology.ts';
import { loadMesh, parsePatches } from './load.ts';
import { merge } from './patch.ts';

const parse = (text: string) => parsePatches(text, 'p.yaml');
const topology = goldenTopology();
const model = loadMesh();

describe('patches', () => {
  it('merge as RFC 7386 says in its appendix', () => {
    const cases = [
      [{ a: 'b' }, { a: 'c' }, { a: 'c' }],
      [{ a: 'b' }, { a: null }, {}],
      [{ a: ['b'] }, { a: 'c' }, { a: 'c' }],
      [{ a: { b: 'c' } }, { a: { b: 'd', c: null } }, { a: { b: 'd' } }],
      [{ a: [{ b: 'c' }] }, { a: [1] }, { a: [1] }],
      [{ e: null }, { a: 1 }, { e: null, a: 1 }],
      [[1, 2], { a: 'b', c: null }, { a: 'b' }],
      [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
    ] as const;
    for (const [target, patch, result] of cases) assert.deepEqual(merge(target, patch), result);
  });

  it('reach one field of the resources that they name, of the pods that they name', () => {
    const patches = parse(`
- match: {type: Cluster, name: 'backend/*', role: proxy}
  merge: {connect_timeout: 2s}
- match: {type: Listener, name: out, pod: proxy-1}
  at: [filter_chains, 0, filters, name=envoy.filters.network.http_connection_manager, typed_config]
  merge: {server_name: gate, drain_timeout: null}
`);
    const body = (pod: string, type: 'cds' | 'lds', name: string) =>
      renderPod(model, topology, pod, { patches }).xds[type].find((r) => r.name === name)?.body;
    assert.equal(body('proxy-0', 'cds', 'backend/intranet')?.connect_timeout, '2s');
    assert.equal(body('proxy-0', 'cds', 'security')?.connect_timeout, '0.5s');
    assert.match(JSON.stringify(body('proxy-1', 'lds', 'out')), /"server_name":"gate"/);
    assert.doesNotMatch(JSON.stringify(body('proxy-1', 'lds', 'out')), /drain_timeout/);
    assert.doesNotMatch(JSON.stringify(body('proxy-0', 'lds', 'out')), /gate/);
  });

  it('reach endpoints and routes wherever they stand, before the cluster or listener that holds them', () => {
    const patches = parse(`
- match: {type: ClusterLoadAssignment, name: 'backend/*'}
  merge: {policy: {overprovisioning_factor: 200}}
- match: {type: ClusterLoadAssignment, name: security}
  merge: {policy: {overprovisioning_factor: 300}}
- match: {type: Cluster, name: backend/payroll}
  at: [load_assignment, policy]
  merge: {overprovisioning_factor: 400}
- match: {type: RouteConfiguration, name: backends}
  merge: {max_direct_response_body_size_bytes: 10}
`);
    const { xds } = renderPod(model, topology, 'proxy-0', { patches });
    const text = (type: 'cds' | 'eds' | 'lds', name: string) =>
      JSON.stringify(xds[type].find((r) => r.name === name)?.body);
    assert.match(text('cds', 'backend/intranet'), /"overprovisioning_factor":200/);
    assert.match(text('cds', 'backend/payroll'), /"overprovisioning_factor":400/);
    assert.match(text('eds', 'security'), /"overprovisioning_factor":300/);
    assert.match(text('lds', 'backends'), /"max_direct_response_body_size_bytes":10/);
  });

  it('that fit nothing, lead nowhere or are written wrongly are errors', () => {
    const render = (text: string) => renderMesh(model, topology, { patches: parse(text) });
    assert.throws(() => render('- {match: {type: Cluster, name: nope}, merge: {}}'), /nothing matches/);
    assert.throws(() => render('- {match: {type: Cluster}, at: [nope], merge: {}}'), /there is no "nope"/);
    assert.throws(() => render('- {match: {type: Clutter}, merge: {}}'), /type/);
    assert.throws(() => render('- {match: {type: Cluster}, mrge: {}}'), /mrge/);
  });
});
