import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'mocha';
import { finding, findingCodes, worstFirst } from './finding.ts';

const page = readFileSync(join(import.meta.dirname, '../../docs/ERRORS.md'), 'utf8');
const rows = page.split('\n').filter((line) => /^\| `[A-Z_]+` \| (?:error|warning|info) \|/.test(line));

describe('findings', () => {
  it('stand in docs/ERRORS.md, each with its severity and what to do, and no others', () => {
    assert.deepEqual(
      rows,
      Object.entries(findingCodes).map(
        ([code, [severity, hint]]) => `| \`${code}\` | ${severity} | ${hint} |`,
      ),
    );
  });

  it('are shown with the worst first', () => {
    const found = [finding('CLUSTERS_NOT_CHECKED', 'a', '', ''), finding('UNKNOWN_SECRET', 'b', '', '')];
    assert.deepEqual(
      worstFirst(found).map(({ code }) => code),
      ['UNKNOWN_SECRET', 'CLUSTERS_NOT_CHECKED'],
    );
  });
});
