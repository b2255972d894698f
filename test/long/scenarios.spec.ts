import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { runScenarios } from '../drills/scenarios/run-scenarios.ts';
import { scenarios } from '../drills/scenarios/scenarios.ts';

/** Eight scenarios in which a node dies, with session persistence, as `npm run drills -- scenarios` runs them with and without. */
describe('a node dies', function () {
  this.timeout(590_000);

  it('and nobody sees it, nothing is lost, and nothing is had twice, in eight scenarios of eight', async () => {
    const told: string[] = [];
    const numbers = scenarios.map(({ number }) => number);
    const { rows, errors } = await runScenarios(['on'], numbers, {
      signal: new AbortController().signal,
      progress: (line) => told.push(line),
    });
    const last = told.slice(-40).join('\n');
    assert.deepEqual(errors, [], last);
    assert.equal(rows.length, scenarios.length);
    for (const { number, logins, lost, doubled } of rows)
      assert.deepEqual({ number, logins, lost, doubled }, { number, logins: 0, lost: 0, doubled: 0 }, last);
  });
});
