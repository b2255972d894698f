import { after, before, describe, it } from 'mocha';
import { type Case, runCase } from '../bad-input/case.ts';
import { frames } from '../bad-input/frames.ts';
import { garbage } from '../bad-input/garbage.ts';
import { handshakes } from '../bad-input/handshakes.ts';
import { sessions } from '../bad-input/sessions.ts';
import { World } from '../bad-input/world.ts';
import { type SharedMesh, sharedMesh } from '../mesh.ts';

const tables: Readonly<Record<string, readonly Case[]>> = {
  'whatever the method': garbage,
  'enrolling and opening': handshakes,
  'sessions and attachments': sessions,
  frames,
};

describe('bad input through an edge', function () {
  this.timeout(120_000);
  let mesh: SharedMesh;
  let world: World;

  before(async () => {
    mesh = await sharedMesh();
    world = new World(mesh);
    await world.begin();
  });
  after(async () => {
    world?.close();
    await mesh?.release();
  });

  for (const [name, cases] of Object.entries(tables)) {
    describe(name, () => {
      for (const each of cases) it(each.name, () => runCase(world, each));
    });
  }
});
