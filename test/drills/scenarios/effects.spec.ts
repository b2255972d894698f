import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'mocha';
import { received } from './effects.ts';

describe('effects of a task', () => {
  it('are told apart by step and token', () => {
    const dir = mkdtempSync(join(tmpdir(), 'sp-effects-'));
    try {
      const file = join(dir, 'effects');
      assert.deepEqual(received(file, 'a'), { had: 0, again: 0, doubled: 0 });
      writeFileSync(file, 'a step 1 x\na step 1 x\na step 2 y\na step 2 z\nb step 1 w\n');
      assert.deepEqual(received(file, 'a'), { had: 2, again: 1, doubled: 1 });
      assert.deepEqual(received(file, 'b'), { had: 1, again: 0, doubled: 0 });
    } finally {
      rmSync(dir, { recursive: true });
    }
  });
});
