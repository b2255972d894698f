import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { compareVersions, parseVersion } from './version-compare.ts';

function compare(a: string, b: string): number {
  const left = parseVersion(a);
  const right = parseVersion(b);
  assert.ok(left && right, `${a} and ${b} can be read`);
  return Math.sign(compareVersions(left, right));
}

describe('versions', () => {
  it('stand in the order of semver and of the field', () => {
    const ascending = [
      '0.9',
      '1.0-alpha',
      '1.0-alpha.1',
      '1.0-alpha.beta',
      '1.0-beta.2',
      '1.0-beta.11',
      '1.0rc1',
    ];
    ascending.push('1.0', '1.0.1', '1.2', '1.10', '2-1', '2', '2.0.0.1', '10');
    for (const [i, a] of ascending.entries()) {
      for (const [j, b] of ascending.entries()) assert.equal(compare(a, b), Math.sign(i - j), `${a} ? ${b}`);
    }
  });

  it('are equal in different spellings', () => {
    for (const same of ['1.2.0', 'v1.2', '1.2+build7', '1.2.0 (4711)', '01.2'])
      assert.equal(compare('1.2', same), 0);
  });

  it('are refused when they are none', () => {
    for (const text of [
      '',
      'latest',
      '1.',
      '.1',
      '1..2',
      '1.2 3 4',
      '-1',
      '1'.repeat(16),
      `${'1.'.repeat(40)}1`,
    ])
      assert.equal(parseVersion(text), undefined, text);
  });

  it('have a total order', () => {
    const version = fc
      .tuple(
        fc.array(fc.nat(3), { minLength: 1, maxLength: 4 }),
        fc.constantFrom('', '-a', '-a.1', '-1', 'b2'),
      )
      .map(([numbers, suffix]) => numbers.join('.') + suffix);
    fc.assert(
      fc.property(version, version, version, (a, b, c) => {
        assert.equal(compare(a, b), -compare(b, a) + 0);
        if (compare(a, b) <= 0 && compare(b, c) <= 0) assert.ok(compare(a, c) <= 0);
      }),
    );
  });
});
