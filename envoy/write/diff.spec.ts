import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'mocha';
import { podNamed } from '#compose/topology/query.ts';
import { openPki } from '#kernel/pki/pki.ts';
import { renderPod } from '../build/render.ts';
import { goldenTopology } from '../golden-topology.ts';
import { parseMesh } from '../model/load.ts';
import { diffPod, fieldChanges } from './diff.ts';
import { writePod } from './write.ts';

describe('the difference between two configurations', () => {
  it('is told by the deepest places, and never shows a key', () => {
    assert.deepEqual(fieldChanges({ a: [{ b: 1 }, { c: 2 }] }, { a: [{ b: 1 }, { c: 3 }] }), [
      { path: 'a[1].c', before: '2', after: '3' },
    ]);
    assert.deepEqual(fieldChanges({ a: 1 }, { b: [1] }), [
      { path: 'b', before: undefined, after: '[1]' },
      { path: 'a', before: '1', after: undefined },
    ]);
    const keys = [
      fieldChanges({ private_key: { inline_string: 'OLD' } }, { private_key: { inline_string: 'NEW' } }),
      fieldChanges({}, { tls_certificate: { private_key: { inline_string: 'NEW' } } }),
      fieldChanges({ x: [{ private_key: 'OLD' }] }, { x: [] }),
    ];
    assert.doesNotMatch(JSON.stringify(keys), /OLD|NEW/);
  });

  it('names what a list has more or less of, wherever it stands', () => {
    const list = (...names: string[]) => ({ filters: names.map((name) => ({ name })) });
    assert.deepEqual(fieldChanges(list('a', 'b', 'c'), list('a', 'c')), [
      { path: 'filters[1]', before: '{"name":"b"}', after: undefined },
    ]);
    assert.deepEqual(fieldChanges(list('a', 'b'), list('x', 'a', 'b')), [
      { path: 'filters[0]', before: undefined, after: '{"name":"x"}' },
    ]);
    assert.deepEqual(fieldChanges(list('a', 'a'), list('a')), [
      { path: 'filters', before: '2 items', after: '1 items' },
    ]);
  });

  it('to what is on disk is nothing after writing, and else the resources that a knob reaches', async () => {
    const stateDir = mkdtempSync(join(tmpdir(), 'sp-diff-'));
    try {
      const topology = { ...goldenTopology(), stateDir };
      const pki = await openPki(stateDir);
      await pki.ensurePod('edge-0', podNamed(topology, 'edge-0').role);
      await pki.ensurePublic('edge-0', { ips: ['127.0.0.1'] });
      const render = (text: string) => renderPod(parseMesh(text, 't'), topology, 'edge-0');
      await writePod(topology, render(''));
      assert.deepEqual(diffPod(topology, render('')), []);
      const changed = (text: string) =>
        diffPod(topology, render(text)).map(({ type, name, how }) => `${how} ${type}/${name}`);
      assert.deepEqual(changed('edge: {http3: false}').sort(), [
        'changed rds/public',
        'removed lds/public-http3',
      ]);
      assert.deepEqual(changed('edge: {max_heap: 128MiB}'), ['changed bootstrap/edge-0']);
      await pki.ensurePod('edge-0', 'edge', { force: true });
      assert.deepEqual(changed(''), ['changed sds/mesh-cert']);
    } finally {
      rmSync(stateDir, { recursive: true, force: true });
    }
  });
});
