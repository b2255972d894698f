import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { afterEach, describe, it } from 'mocha';
import { systemClock } from '#kernel/time/system-clock.ts';
import { setModest } from './scheduling-group.ts';

describe('a scheduling group', () => {
  let child: ChildProcess | undefined;

  afterEach(() => void child?.kill('SIGKILL'));

  it('gives way to others and does so no longer, without privileges and where the system has such groups', async () => {
    child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], {
      detached: true,
      stdio: 'ignore',
    });
    const { pid } = child;
    assert.ok(pid !== undefined);
    const file = `/proc/${pid}/autogroup`;
    const nice = () => (existsSync(file) ? /nice (-?\d+)/.exec(readFileSync(file, 'utf8'))?.[1] : undefined);
    const isThere = nice() !== undefined;
    await setModest(pid, true, systemClock);
    assert.equal(nice(), isThere ? '10' : undefined);
    await setModest(pid, false, systemClock);
    assert.equal(nice(), isThere ? '0' : undefined);
  });

  it('of a process that is gone is left alone', async () => {
    child = spawn(process.execPath, ['-e', ''], { stdio: 'ignore' });
    const { pid } = child;
    assert.ok(pid !== undefined);
    await once(child, 'exit');
    await setModest(pid, true, systemClock);
  });
});
