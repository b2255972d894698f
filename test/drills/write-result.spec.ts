import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import type { Row } from './row.ts';
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
});
