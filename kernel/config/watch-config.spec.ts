import assert from 'node:assert/strict';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { z } from 'zod';
import { SallyportError } from '#core/errors/error.ts';
import { ManualClock } from '#kernel/time/manual-clock.ts';
import { watchConfig } from './watch-config.ts';

describe('watching a configuration file', () => {
  let dir: string;
  let file: string;
  let clock: ManualClock;
  let changes: unknown[];
  let bad: string[];

  const write = (text: string): void => {
    writeFileSync(`${file}.new`, text);
    renameSync(`${file}.new`, file);
  };

  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'sp-watch-'));
    file = join(dir, 'config.json');
    write('{"pods":["a"]}');
    clock = new ManualClock();
    changes = [];
    bad = [];
    watchConfig(z.strictObject({ pods: z.array(z.string()) }), {
      file,
      clock,
      everyMs: 100,
      onChange: (config) => changes.push(config),
      onBad: (error) => bad.push(SallyportError.from(error).reason),
    });
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  it('tells of each new version once, and of none while nothing changes', async () => {
    await clock.advance(1000);
    assert.deepEqual(changes, []);
    write('{"pods":["a","b"]}');
    await clock.advance(1000);
    assert.deepEqual(changes, [{ pods: ['a', 'b'] }]);
  });

  it('keeps what it has while the file is wrong or missing', async () => {
    write('{"pods":3}');
    await clock.advance(1000);
    rmSync(file);
    await clock.advance(1000);
    assert.deepEqual([changes, bad], [[], ['CONFIG_INVALID', 'CONFIG_INVALID']]);
    write('{"pods":[]}');
    await clock.advance(1000);
    assert.deepEqual(changes, [{ pods: [] }]);
  });
});
