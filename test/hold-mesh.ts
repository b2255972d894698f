/** Loaded before suites that share a mesh, so that the first one's end is not the mesh's. */
import { after, before } from 'mocha';
import { meshStartMs, type SharedMesh, sharedMesh } from './mesh.ts';

let mesh: SharedMesh | undefined;

before(async function () {
  this.timeout(meshStartMs);
  mesh = await sharedMesh();
});
after(() => mesh?.release());
