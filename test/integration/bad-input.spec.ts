import assert from 'node:assert/strict';
import { after, before, describe, it } from 'mocha';
import { runningMesh } from '#services/cli/mesh/mesh-of-state.ts';
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
import { meshStartMs, type SharedMesh, sharedMesh } from '../mesh.ts';
import { logsOf } from '../mesh-files.ts';

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

/**
 * Every bad message gets the answer that docs/ERRORS.md names and changes nothing; a good request is
 * answered after each as before.
 */
describe('bad input through an edge', function () {
  this.timeout(120_000);
  let mesh: SharedMesh;
  let world: World;
  let processes: unknown;
  let inside: number;

  /** Lines of the logs that tell of something that was not foreseen. */
  const mishaps = (): number =>
    logsOf(mesh.stateDir).reduce(
      (sum, { bytes }) => sum + bytes.toString('latin1').split('"reason":"INTERNAL"').length - 1,
      0,
    );

  before(async function () {
    this.timeout(meshStartMs);
    mesh = await sharedMesh();
    world = new World(mesh);
    await world.begin();
    processes = mesh.state.processes;
    inside = mishaps();
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

  it('no process has died of any of it, and none has met what it did not foresee', () => {
    assert.deepEqual(runningMesh(mesh.stateDir).state.processes, processes);
    assert.equal(mishaps(), inside);
  });
});
