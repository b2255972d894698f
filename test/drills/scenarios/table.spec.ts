import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import type { ScenarioRow } from './run-scenarios.ts';
import { scenarioTable } from './table.ts';

const row: ScenarioRow = {
  ...{ number: 4, what: 'somebody types', sun: ['no', 'yes'], persistence: 'on' },
  ...{ logins: 0, seconds: 9, ok: true, lost: 0, doubled: 0, again: 0, waitedMs: 120 },
};

describe('the table of scenarios', () => {
  it('has both kinds of persistence in one row, and says what was seen, repeated and missed', () => {
    const off: ScenarioRow = { ...row, persistence: 'off', logins: 1, again: 2, waitedMs: 2340 };
    const lines = scenarioTable([row, off, { ...row, number: 1, lost: 1, ok: false }]).split('\n');
    assert.equal(lines.length, 4);
    assert.equal(lines[2], '| 1 | somebody types | no / yes |  | yes ✗ | nothing | 1 | 0 |');
    assert.equal(
      lines[3],
      '| 4 | somebody types | no / yes | a new login, then it goes on; an answer took 2.3 s | yes | 2 effects, had once | 0 | 0 |',
    );
  });
});
