import assert from 'node:assert/strict';
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { UsageError } from '../options.ts';
import { KeptRows } from './kept-rows.ts';
import type { Row } from './row.ts';

const of = { commit: 'abc1234', size: '{"devices":200}' };
const row = (failure: string, seed: number): Row => {
  const none = { relay: 0, login: 0, write: 0 };
  const nothing = { relay: '', login: '', write: '' };
  return {
    ...{ drill: 'kill', failure, seed, victims: [], seconds: 10, requests: 2000, failed: 0, unknown: 0 },
    ...{ inFlight: 3, refused: 0, lost: 0, wrong: 0, stalls: none, goals: {}, longest: nothing, calm: none },
    ...{ figures: [], held: true, ok: true, problems: [], notes: [] },
    load: { cpu: 0.2, lagMs: 20, skipped: 0 },
  };
};

describe('rows of a run that was interrupted', () => {
  let dir: string;
  let file: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'sp-rows-'));
    file = join(dir, 'rows', 'kept.log');
  });
  afterEach(() => rmSync(dir, { recursive: true }));

  it('are there again, whole', () => {
    new KeptRows(file, of).add(row('SIGKILL a proxy', 2));
    const again = new KeptRows(file, of);
    assert.deepEqual(again.find('SIGKILL a proxy', 2), row('SIGKILL a proxy', 2));
    assert.equal(again.find('SIGKILL a proxy', 1), undefined);
    assert.equal(again.find('SIGKILL an edge', 2), undefined);
  });

  it('do not count for another commit or another load', () => {
    new KeptRows(file, of).add(row('SIGKILL a proxy', 2));
    for (const other of [
      { ...of, commit: 'def5678' },
      { ...of, size: '{}' },
    ])
      assert.equal(new KeptRows(file, other).find('SIGKILL a proxy', 2), undefined);
  });

  it('lose only the one that was being written', () => {
    new KeptRows(file, of).add(row('SIGKILL a proxy', 1));
    appendFileSync(file, '{"commit":"abc12');
    new KeptRows(file, of).add(row('SIGKILL a proxy', 2));
    const again = new KeptRows(file, of);
    assert.ok(again.find('SIGKILL a proxy', 1) && again.find('SIGKILL a proxy', 2));
  });

  it('are refused from a file of something else', () => {
    writeFileSync(join(dir, 'other'), 'a shopping list\n');
    assert.throws(() => new KeptRows(join(dir, 'other'), of), /line 1 of .* is no row of a drill/);
    for (const text of ['a shopping list', 'a\nshopping list', '{"bread":1']) {
      writeFileSync(join(dir, 'other'), text);
      assert.throws(() => new KeptRows(join(dir, 'other'), of), UsageError);
      assert.equal(readFileSync(join(dir, 'other'), 'utf8'), text);
    }
    assert.throws(() => new KeptRows(dir, of), UsageError);
  });
});
