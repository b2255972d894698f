import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { type Page, readList, showList } from './list.ts';
import { createReport } from './report.ts';
import { testContext } from './test-context.ts';

describe('lists', () => {
  const { context, written } = testContext();
  const command = { report: createReport('some list', false, context) };
  const all = Array.from({ length: 2500 }, (_, index) => index);
  const asked: number[] = [];
  const ask = async (page: { pageSize: number; pageToken: string }): Promise<Page<number>> => {
    asked.push(page.pageSize);
    const from = Number(page.pageToken);
    const entries = all.slice(from, from + page.pageSize);
    const end = from + entries.length;
    return { entries, next: end < all.length ? String(end) : '' };
  };

  it('are read page by page, or whole', async () => {
    assert.deepEqual(await readList({ limit: 3 }, command, ask), { entries: [0, 1, 2], next: '3' });
    assert.deepEqual(await readList({ limit: 2, page: '2498' }, command, ask), {
      entries: [2498, 2499],
      next: '',
    });
    asked.length = 0;
    assert.deepEqual(await readList({ limit: 3, all: true }, command, ask), { entries: all, next: '' });
    assert.deepEqual(asked, [1000, 1000, 1000]);
    assert.match(written.out, /1000 read so far/);
  });

  it('are shown with what comes next, and given to programs', () => {
    written.out = '';
    const as = {
      what: ['number', 'numbers'] as const,
      head: ['number'],
      row: (entry: number) => [String(entry)],
      json: (entry: number) => ({ number: entry }),
    };
    const outcome = showList(command, { entries: [7], next: '8' }, as);
    assert.equal(written.out, "number\n7\n1 number\nThere are more: --all, or --page '8'\n");
    assert.deepEqual(outcome.items, { items: [{ number: 7 }], nextPage: '8' });
    written.out = '';
    showList(command, { entries: [], next: '' }, as);
    assert.equal(written.out, '0 numbers\n');
  });
});
