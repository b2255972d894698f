import assert from 'node:assert/strict';
import { appendFileSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'mocha';
import { logDir } from '#compose/topology/paths.ts';
import { limitLogs, maxLogBytes } from './log-limit.ts';

describe('log files', () => {
  it('begin anew beyond their bound, with one older file kept', () => {
    const stateDir = mkdtempSync(join(tmpdir(), 'sallyport-logs-'));
    try {
      const folders = { stateDir, runDir: stateDir };
      const dir = logDir(folders, 'sec-0');
      mkdirSync(dir, { recursive: true });
      const [large, small] = [join(dir, 'process.log'), join(dir, 'envoy.log')];
      writeFileSync(large, Buffer.alloc(maxLogBytes + 1));
      writeFileSync(small, 'a line\n');
      limitLogs(folders, ['sec-0', 'never-started']);
      assert.equal(statSync(large).size, 0);
      assert.equal(statSync(`${large}.1`).size, maxLogBytes + 1);
      assert.equal(statSync(small).size, 7);
      appendFileSync(large, 'goes on\n');
      assert.equal(statSync(large).size, 8);
    } finally {
      rmSync(stateDir, { recursive: true });
    }
  });
});
