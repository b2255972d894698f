import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'mocha';
import { parse } from 'yaml';
import { assumptionsFile, inputSchema } from '#services/cli/downtime-cost/input.ts';
import { discoverDrills } from './discover.ts';

describe('what downtime costs', () => {
  it('is counted with failures that there are drills of', async function () {
    // Every drill is loaded, with what it uses: 4 s beside others, and more on a starved machine.
    this.timeout(60_000);
    const { causes } = inputSchema.parse(parse(readFileSync(assumptionsFile, 'utf8')));
    const named = Object.values(causes).flatMap(({ seconds }) =>
      Object.values(seconds).flatMap((each) => ('drill' in each ? each.drill : [])),
    );
    const drills = await discoverDrills();
    const known = new Set(drills.flatMap(({ failures }) => failures.map(({ name }) => name)));
    assert.ok(named.length > 5);
    assert.deepEqual(
      named.filter((name) => !known.has(name)),
      [],
    );
  });
});
