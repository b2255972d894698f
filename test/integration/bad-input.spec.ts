import { after, before, describe, it } from 'mocha';
import { type Case, runCase } from '../bad-input/case.ts';
import { doors } from '../bad-input/doors.ts';
import { frames } from '../bad-input/frames.ts';
import { garbage } from '../bad-input/garbage.ts';
import { handshakes } from '../bad-input/handshakes.ts';
import { http1 } from '../bad-input/http1.ts';
import { requests } from '../bad-input/requests.ts';
import { sessions } from '../bad-input/sessions.ts';
import { streams } from '../bad-input/streams.ts';
import { World } from '../bad-input/world.ts';
import { type SharedMesh, sharedMesh } from '../mesh.ts';

const tables: Readonly<Record<string, readonly Case[]>> = {
  'whatever the method': garbage,
  'enrolling and opening': handshakes,
  'sessions and attachments': sessions,
  frames,
  streams,
  'requests inside the channel': requests,
  'ways in that are none': doors,
  'HTTP/1.1': http1,
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
