import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import type { OwnMesh } from '#test/mesh.ts';
import { targets } from './targets.ts';

/** Each role of a mesh that runs drills, with what it has a process of. */
const parts = {
  security: ['process', 'sidecar'],
  proxy: ['process', 'sidecar'],
  edge: ['sidecar'],
  backend: ['process', 'sidecar'],
  db: ['process', 'sidecar', 'mysqld'],
} as const;

describe('targets of drills', () => {
  it('are every kind of process, so that kill, hang and terminate leave none out', async () => {
    const topology = { pods: Object.keys(parts).map((role) => ({ name: role, role })) };
    const mesh = { topology } as unknown as OwnMesh;
    // Which node is primary, only a mesh knows.
    const nodes = targets.filter(({ database }) => database !== undefined);
    assert.deepEqual(nodes.map(({ database }) => database).sort(), ['primary', 'secondary']);
    const others = targets.filter(({ database }) => database === undefined);
    const chosen = (await Promise.all(others.map(({ choose }) => choose(mesh, () => 0)))).flat();
    const hit = [...chosen.map(({ pod, part }) => `${pod} ${part}`), 'db mysqld'];
    const all = Object.entries(parts).flatMap(([role, its]) => its.map((part) => `${role} ${part}`));
    assert.deepEqual(hit.sort(), all.sort());
  });
});
