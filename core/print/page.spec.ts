import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { pageBegin, pageEnd, tableBegin, tableEnd, tableRow } from './page.ts';

describe('pages for paper', () => {
  it('say what is written and nothing that it does', () => {
    const page = [
      pageBegin('Users & <others>'),
      tableBegin(['name']),
      tableRow(['<script>alert("1")</script>']),
      tableEnd,
      pageEnd,
    ].join('');
    assert.ok(page.includes('<h1>Users &amp; &lt;others&gt;</h1>'));
    assert.ok(page.includes('<td>&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;</td>'));
    assert.ok(!page.includes('<script'));
    for (const tag of ['html', 'body', 'table', 'thead', 'tbody', 'tr', 'td'])
      assert.equal(page.split(`<${tag}`).length, page.split(`</${tag}>`).length, tag);
  });
});
