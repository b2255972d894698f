import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { readPage } from './page.ts';

const all = Array.from({ length: 250 }, (_, n) => n + 1);
const from =
  (after: number) =>
  async (limit: number): Promise<number[]> =>
    all.filter((n) => n > after).slice(0, limit);

describe('a page', () => {
  it('says whether another one follows, and how it is asked for', async () => {
    const sizes: number[] = [];
    for (let token = '0'; token !== ''; ) {
      const { rows, nextPageToken } = await readPage(0, from(Number(token)), String);
      sizes.push(rows.length);
      token = nextPageToken;
    }
    assert.deepEqual(sizes, [100, 100, 50]);
    assert.deepEqual(await readPage(250, from(0), String), { rows: all, nextPageToken: '' });
    assert.deepEqual(await readPage(2, from(0), String), { rows: [1, 2], nextPageToken: '2' });
    assert.deepEqual(await readPage(2, from(250), String), { rows: [], nextPageToken: '' });
  });
});
