import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, describe, it } from 'mocha';
import { renderPod } from './build/render.ts';
import { goldenFolders, goldenPods, goldenTopology } from './golden-topology.ts';
import { loadMesh } from './model/load.ts';
import { configFiles } from './write/files.ts';

const root = join(import.meta.dirname, 'golden');
const overwrite = process.env.GOLDEN === 'write';

/** Rendered examples of each role. `GOLDEN=write mocha envoy/golden.spec.ts` writes them anew. */
describe('golden Envoy configuration', () => {
  const model = loadMesh();
  const topology = goldenTopology();
  const wanted = new Set<string>();

  for (const { role, pod } of goldenPods)
    it(`of a ${role} sidecar`, () => {
      for (const [path, text] of configFiles(goldenFolders, renderPod(model, topology, pod))) {
        const file = join(root, role, path);
        wanted.add(file);
        if (overwrite) {
          mkdirSync(dirname(file), { recursive: true });
          writeFileSync(file, text);
        }
        assert.equal(readFileSync(file, 'utf8'), text, `${file} differs: GOLDEN=write writes it anew`);
      }
    });

  after('no file is left of what is rendered no more', () => {
    const stale = readdirSync(root, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .filter((file) => !wanted.has(file));
    if (overwrite) for (const file of stale) rmSync(file);
    else assert.deepEqual(stale, []);
  });
});
