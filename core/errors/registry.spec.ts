import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'mocha';
import { isReason } from './error.ts';
import { areas, type ErrorReason, registry } from './registry.ts';
import { Status } from './status.ts';

const page = readFileSync(join(import.meta.dirname, '../../docs/ERRORS.md'), 'utf8');
/** Lines of four columns: other tables of the page have fewer. */
const rows = page.split('\n').filter((line) => /^\| `[A-Z_]+` \|(?:[^|]+\|){3}$/.test(line));

const rowOf = (reason: ErrorReason): string => {
  const { status, message, hint } = registry[reason];
  return `| \`${reason}\` | ${status} | ${message} | ${hint} |`;
};

describe('error registry', () => {
  it('is documented: each reason stands in docs/ERRORS.md with its code, message and hint', () => {
    const reasons = Object.keys(registry) as ErrorReason[];
    assert.deepEqual(
      reasons.map(rowOf).filter((row) => !rows.includes(row)),
      [],
      'rows that docs/ERRORS.md should have',
    );
  });

  it('has every reason that docs/ERRORS.md knows, and each stands there once', () => {
    const documented = rows.map((row) => /`([A-Z_]+)`/.exec(row)?.[1] ?? '');
    assert.deepEqual(
      documented.filter((reason) => !isReason(reason)),
      [],
    );
    assert.equal(new Set(documented).size, documented.length);
  });

  it('has each reason in one area', () => {
    const reasons = areas.flatMap((area) => Object.keys(area));
    assert.equal(new Set(reasons).size, reasons.length);
    assert.deepEqual(reasons, Object.keys(registry));
  });

  it('gives each reason a canonical code, a message and a hint', () => {
    for (const [reason, { status, message, hint }] of Object.entries(registry)) {
      assert.match(reason, /^[A-Z][A-Z_]*[A-Z]$/);
      assert.ok(Object.hasOwn(Status, status), reason);
      // One line each, without a full stop: they stand in tables, and after "error X:" and "hint:".
      for (const text of [message, hint]) assert.match(text, /^[^\n|]*[^\n|.]$/, reason);
    }
  });
});
