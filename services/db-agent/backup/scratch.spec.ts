import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'mocha';
import { withScratch } from './scratch.ts';

describe('a scratch folder', () => {
  it('of a process that was killed is removed by the next one, that of a living one is not', async () => {
    const parent = mkdtempSync(join(tmpdir(), 'sallyport-parent-'));
    const killed = spawn(
      process.execPath,
      [
        '-e',
        `import(${JSON.stringify(join(import.meta.dirname, 'scratch.ts'))}).then(({ withScratch }) =>
          withScratch(async () => { console.log('there'); await new Promise((go) => setTimeout(go, 600_000)); },
            ${JSON.stringify(parent)}))`,
      ],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    try {
      await once(killed.stdout, 'data');
      const [left = ''] = readdirSync(parent);
      writeFileSync(join(parent, left, 'root.key'), 'in the clear');
      assert.equal(statSync(join(parent, left)).mode & 0o777, 0o700);
      const inUse = await withScratch((folder) => {
        assert.ok(existsSync(join(parent, left)), 'its process lives');
        return Promise.resolve(folder);
      }, parent);
      assert.equal(existsSync(inUse), false);
      killed.kill('SIGKILL');
      await once(killed, 'close');
      await withScratch(() => Promise.resolve(assert.equal(existsSync(join(parent, left)), false)), parent);
      assert.deepEqual(readdirSync(parent), []);
    } finally {
      killed.kill('SIGKILL');
      rmSync(parent, { recursive: true, force: true });
    }
  }).timeout(60_000);
});
