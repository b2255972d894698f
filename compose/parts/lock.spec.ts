import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { PartsError } from './errors.ts';
import { type FakeMachine, fakeMachine } from './fake-programs.ts';
import { withLock } from './lock.ts';

const coded = (code: string) => (e: unknown) => e instanceof PartsError && e.code === code;

describe('the lock of a part', () => {
  let m: FakeMachine;
  let file: string;
  beforeEach(() => {
    m = fakeMachine();
    file = path.join(m.cache, 'x.lock');
  });
  afterEach(() => m.remove());

  it('lets one in at a time, and the next one in after an error too', async () => {
    let inside = 0;
    const body = async () => {
      assert.equal(++inside, 1);
      await new Promise((resolve) => setTimeout(resolve, 5));
      inside--;
      throw new Error('from the body');
    };
    const one = () => assert.rejects(withLock(file, 'testing', m.options(), body), /from the body/);
    await Promise.all([one(), one(), one()]);
  });

  it('is free again when its holder was killed with -9', async () => {
    // Another process takes it with our own code, says so, and is killed.
    const code = `import { withLock } from ${JSON.stringify(new URL('lock.ts', import.meta.url).href)};
      await withLock(${JSON.stringify(file)}, 'testing', { env: process.env, progress() {} }, async () => {
        console.log('held'); await new Promise((resolve) => setTimeout(resolve, 60_000)); });`;
    const other = spawn(process.execPath, ['--input-type=module', '-e', code], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(other.stdout, 'data');
    await assert.rejects(
      withLock(file, 'testing', m.options(), async () => 1, 20),
      coded('LOCK_TIMEOUT'),
    );
    other.kill('SIGKILL');
    assert.equal(await withLock(file, 'testing', m.options(), async () => 7), 7);
  });

  it('stops waiting when interrupted', async () => {
    const stop = new AbortController();
    await withLock(file, 'testing', m.options(), async () => {
      const waiting = withLock(file, 'testing', { ...m.options(), signal: stop.signal }, async () => 1);
      stop.abort();
      await assert.rejects(waiting, coded('ABORTED'));
    });
  });

  it('says that the cache folder cannot be written', async function () {
    if (process.getuid?.() === 0) this.skip(); // root may write anywhere
    mkdirSync(m.cache);
    chmodSync(m.cache, 0o500);
    await assert.rejects(
      withLock(file, 'testing', m.options(), async () => 1),
      coded('CACHE_UNUSABLE'),
    );
  });
});
