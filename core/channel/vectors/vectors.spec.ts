import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'mocha';
import { makeVectors } from './make-vectors.ts';

describe('test vectors of suite 1', () => {
  it('are what the code makes', async () => {
    const written: unknown = JSON.parse(readFileSync(new URL('suite-1.json', import.meta.url), 'utf8'));
    assert.deepEqual(await makeVectors(), written);
  });
});
