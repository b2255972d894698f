import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { csvLine } from './csv.ts';

describe('a line of CSV', () => {
  it('quotes what must be', () => {
    assert.equal(
      csvLine(['a', 'b,c', 'say "no"', 'two\nlines', '']),
      'a,"b,c","say ""no""","two\nlines",\r\n',
    );
  });

  it('has no formulas in it', () => {
    assert.equal(csvLine(['=1+1', '@now', '-2', '+3']), "'=1+1,'@now,'-2,'+3\r\n");
  });
});
