import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { SallyportError } from '#core/errors/error.ts';
import { openRow, sealedUnder, sealRow } from './sealed-row.ts';

const dataKey = { id: 7, key: new Uint8Array(32).fill(3) };
const name = { table: 'sessions', row: 'a', column: 'sealed' };
const damaged = (error: unknown) => error instanceof SallyportError && error.reason === 'SEALED_ROW_DAMAGED';

describe('sealed rows', () => {
  it('opens what it sealed', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (plaintext) => {
        const sealed = sealRow(dataKey, name, plaintext);
        assert.equal(sealedUnder(name, sealed), 7);
        assert.deepEqual(new Uint8Array(openRow(dataKey, name, sealed)), plaintext);
      }),
    );
  });

  it('refuses a changed byte anywhere, and every truncation', () => {
    const sealed = sealRow(dataKey, name, new Uint8Array(20));
    for (let i = 0; i < sealed.length; i++) {
      const changed = Uint8Array.from(sealed);
      changed[i] = (changed[i] ?? 0) ^ 1;
      assert.throws(() => openRow(dataKey, name, changed), damaged);
      assert.throws(() => openRow(dataKey, name, sealed.subarray(0, i)), damaged);
    }
  });

  it('refuses a value that was moved, even between places that read alike', () => {
    const sealed = sealRow(dataKey, name, new Uint8Array(20));
    for (const other of [
      { ...name, table: 'session' },
      { ...name, row: 'b' },
      { ...name, column: 'sealed_next' },
      { table: 'sessionsa', row: '', column: 'sealed' },
    ]) {
      assert.throws(() => openRow(dataKey, other, sealed), damaged);
    }
  });
});
