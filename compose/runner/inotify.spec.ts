import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { embeddedTopology } from '#compose/topology/embedded.ts';
import { SallyportError } from '#core/errors/error.ts';
import { renderMesh } from '#envoy/build/render.ts';
import { loadMesh } from '#envoy/model/load.ts';
import { checkInotify, inotifyInUse } from './inotify.ts';

const uid = process.getuid?.() ?? 0;

describe('the look at inotify before the start', () => {
  let proc: string;
  let port = 20_000;
  const mesh = renderMesh(
    loadMesh(),
    embeddedTopology({ stateDir: '/s', runDir: '/r', allocatePort: () => port++ }),
  );

  beforeEach(() => {
    proc = mkdtempSync(join(tmpdir(), 'sp-proc-'));
    mkdirSync(join(proc, 'sys/fs/inotify'), { recursive: true });
  });
  afterEach(() => rmSync(proc, { recursive: true, force: true }));

  const limit = (value: number) =>
    writeFileSync(join(proc, 'sys/fs/inotify/max_user_instances'), `${value}\n`);
  const holder = (pid: number, held: number): void => {
    const folder = join(proc, `${pid}`, 'fd');
    mkdirSync(folder, { recursive: true });
    symlinkSync('/dev/null', join(folder, '0'));
    for (let fd = 1; fd <= held; fd++) symlinkSync('anon_inode:inotify', join(folder, `${fd}`));
  };

  it('counts what this user’s processes hold', () => {
    holder(10, 3);
    holder(11, 2);
    mkdirSync(join(proc, '12'));
    assert.equal(inotifyInUse(proc, uid), 5);
    assert.equal(inotifyInUse(proc, uid + 1), 0);
  });

  it('finds room for two meshes in the default limit', () => {
    limit(128);
    holder(10, 59);
    checkInotify(mesh, { proc, uid });
  });

  it('refuses a start for which there is no room, and says what to set', () => {
    limit(128);
    holder(10, 100);
    assert.throws(
      () => checkInotify(mesh, { proc, uid }),
      (error) =>
        error instanceof SallyportError &&
        error.reason === 'START_FAILED' &&
        /need up to 69 .* of 128 .* 100 are in use/.test(error.message) &&
        error.hint === 'sudo sysctl -w fs.inotify.max_user_instances=512',
    );
  });

  it('finds nothing to say where there is no such limit', () => checkInotify(mesh, { proc, uid }));
});
