import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { describe, it } from 'mocha';
import { startTimeOf } from '#kernel/lifecycle/process-identity.ts';
import { waitFor } from '#kernel/time/wait-for.ts';
import { processesAbout } from '../mesh-state.ts';

const root = new URL('../..', import.meta.url).pathname;

describe('a suite that is interrupted while it starts', function () {
  this.timeout(120_000);

  it('leaves neither processes nor folders behind', async () => {
    const args = ['node_modules/mocha/bin/mocha.js', '--no-config', 'test/interrupted/hangs-in-before.ts'];
    const suite = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] });
    const ended = once(suite, 'exit');
    let started: { readonly dir: string; readonly pids: readonly number[] } | undefined;
    for await (const line of createInterface({ input: suite.stdout })) {
      if (!line.startsWith('{')) continue;
      started = JSON.parse(line) as NonNullable<typeof started>;
      suite.kill('SIGINT');
    }
    assert.deepEqual(await ended, [130, null]);
    const { dir, pids } = started ?? assert.fail('it started nothing');
    await waitFor(
      () => processesAbout(dir).length === 0 && pids.every((pid) => startTimeOf(pid) === undefined),
      {
        timeoutMs: 20_000,
        what: 'its processes to be gone',
      },
    );
    assert.ok(!existsSync(dir));
  });
});
