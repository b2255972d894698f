import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { writeRunState } from '#compose/runner/run-file.ts';
import { SallyportError } from '#core/errors/error.ts';
import { startTimeOf } from '#kernel/lifecycle/process-identity.ts';
import { refuseIfRunning, wipe } from './wipe.ts';

describe('wiping a state folder', () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'sp-wipe-'));
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));
  const reason = (wanted: string) => (error: unknown) =>
    error instanceof SallyportError && error.reason === wanted;

  it('removes what a mesh keeps, and the folder when nothing else is in it', async () => {
    for (const name of ['pods', 'pki', 'secrets', 'devices']) mkdirSync(join(dir, name));
    writeFileSync(join(dir, 'runner.log'), '');
    await wipe(dir, () => {});
    assert.ok(!existsSync(dir));
  });

  it('leaves what is not a mesh’s', async () => {
    for (const name of ['pki', 'secrets']) mkdirSync(join(dir, name));
    writeFileSync(join(dir, 'thesis.txt'), '');
    await wipe(dir, () => {});
    assert.ok(existsSync(join(dir, 'thesis.txt')) && !existsSync(join(dir, 'pki')));
  });

  it('touches nothing in a folder that was never a mesh’s', async () => {
    for (const name of ['devices', 'pods', 'secrets']) mkdirSync(join(dir, name));
    await assert.rejects(
      wipe(dir, () => {}),
      reason('CONFIG_INVALID'),
    );
    for (const name of ['devices', 'pods', 'secrets']) assert.ok(existsSync(join(dir, name)));
  });

  it('is refused while a runner lives', () => {
    writeRunState(dir, {
      version: 1,
      state: 'up',
      runner: { pid: process.pid, startTime: startTimeOf(process.pid) ?? '' },
      startedAt: '',
      runDir: dir,
      edgeUrls: [],
      publicCa: '',
      pods: [],
      processes: [],
    });
    assert.throws(() => refuseIfRunning(dir), reason('MESH_RUNNING'));
  });
});
