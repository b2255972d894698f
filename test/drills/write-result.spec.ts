import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { type Row, rowAlone } from './row.ts';
import { shortTable } from './table.ts';
import { joinRows } from './write-result.ts';

const row = (failure: string, seed = 1): Row => ({ failure, seed }) as Row;

describe('the table of failures', () => {
  it('keeps what a run has not taken, with the commit it was taken at, and nothing that is no more', () => {
    const before = { date: '', commit: 'old', machine: '', seeds: [1] };
    const rows = [row('b', 1), row('b', 2), { ...row('c'), commit: 'older' }, row('gone')];
    const joined = joinRows({ ...before, rows }, { commit: 'new', rows: [row('d'), row('b')] }, [
      ...['a', 'b', 'c', 'd'],
    ]);
    assert.deepEqual(
      joined.map(({ failure, seed, commit }) => `${failure} ${seed} ${commit}`),
      ['b 1 new', 'b 2 old', 'c 1 older', 'd 1 new'],
    );
  });

  it('marks what did not hold, or did not come to its end, whatever the other seeds are like', () => {
    const failure = { name: 'a fault', goals: {}, victims: () => [] };
    const of = (seed: number, errors: readonly string[]): Row =>
      rowAlone({ drill: 'a drill', failure, seed, seconds: 1, figures: [], notes: [] }, errors);
    const marked = (rows: readonly Row[]): boolean => shortTable(rows).includes('| a fault ✗ |');
    assert.equal(marked([of(1, []), of(2, [])]), false);
    assert.equal(marked([of(1, []), of(2, ['it did not start'])]), true);
    assert.match(
      shortTable([
        { ...of(1, []), requests: 9, failed: 2, lost: 1, load: { ...of(1, []).load, skipped: 7 } },
      ]),
      /9, 7 left out ✗ \| 2 ✗ .* 1 ✗ \| 0 \| – \|/,
    );
  });
});
