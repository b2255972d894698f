import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'mocha';
import { ManualClock } from '#kernel/time/manual-clock.ts';
import { waitFor } from '#kernel/time/wait-for.ts';
import { Supervised } from './supervised.ts';

describe('Supervised', () => {
  it('tries again while there is no room for a log file, and does not take its owner down', async () => {
    const root = mkdtempSync(join(tmpdir(), 'supervised-'));
    const logs = join(root, 'log');
    const ends: string[] = [];
    const clock = new ManualClock();
    const one = new Supervised(
      {
        name: 'one',
        command: process.execPath,
        args: ['-e', 'setInterval(() => {}, 1000)'],
        env: {},
        logFile: join(logs, 'one.log'),
      },
      { clock, onChange: () => undefined, onExit: (_, how) => ends.push(how) },
    );
    try {
      one.start();
      rmSync(logs, { recursive: true });
      writeFileSync(logs, 'a file where the folder should be');
      one.signal('SIGKILL');
      await waitFor(() => ends.length === 1, { timeoutMs: 5000, what: 'its end' });
      const atMs = clock.now();
      assert.deepEqual(one.ended, { times: 1, how: 'SIGKILL', atMs, againAtMs: atMs + 200 });
      await clock.advance(10_000);
      assert.match(ends.join(), /SIGKILL,(EEXIST|ENOTDIR)/);
      assert.equal(one.identity, undefined);
      rmSync(logs);
      await clock.advance(10_000);
      assert.ok(one.identity, 'it runs');
      assert.ok((one.ended?.times ?? 0) > 1);
      assert.equal(one.ended?.againAtMs, undefined);
    } finally {
      await one.stop(5000);
      rmSync(root, { recursive: true, force: true });
    }
  });

  it('tells at once what keeps it from being started at all', () => {
    const spec = { name: 'one', command: process.execPath, args: [], env: {}, logFile: '/dev/null/log' };
    const clock = new ManualClock();
    const one = new Supervised(spec, { clock, onChange: () => undefined, onExit: () => undefined });
    assert.throws(() => one.start(), /ENOTDIR|EEXIST/);
  });
});
