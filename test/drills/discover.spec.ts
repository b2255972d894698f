import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'mocha';
import { discoverDrills } from './discover.ts';

const drills = await discoverDrills();

describe('drills', () => {
  it('are there', () => {
    assert.ok(drills.length > 0);
  });

  for (const { name, steps, failures, alone } of drills) {
    it(`${name} has steps or does it alone, has failures, and a README that names its steps`, () => {
      assert.ok(failures.length > 0);
      assert.equal(steps.length > 0, alone === undefined);
      assert.ok(steps.every(({ run }) => typeof run === 'function'));
      const readme = readFileSync(join(import.meta.dirname, name, 'README.md'), 'utf8');
      assert.deepEqual(
        steps.map((step) => step.name).filter((step) => !readme.includes(`${step}.ts`)),
        [],
      );
    });
  }

  it('name each failure once', () => {
    const names = drills.flatMap(({ failures }) => failures.map((failure) => failure.name));
    assert.deepEqual([...new Set(names)], names);
  });

  it('have failures of the short form', () => {
    assert.ok(drills.some(({ failures }) => failures.some(({ short }) => short)));
  });
});
