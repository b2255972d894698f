/** Pages of HTML that print on paper as they stand: no script, nothing loaded from elsewhere. */

/** Text as HTML. */
export const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');

const style = `
body{font:15px/1.45 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1b1b1e}
h1{font-size:1.7rem}h2{font-size:1.2rem;margin-top:2rem}h3{font-size:1rem;margin-bottom:.3rem}
.about{color:#555}table{border-collapse:collapse;width:100%;font-size:.85rem}
th,td{text-align:left;padding:.25rem .5rem;border-bottom:1px solid #ccc;vertical-align:top;overflow-wrap:anywhere}
svg{width:100%;max-width:44rem;display:block}svg text{font-size:13px;fill:#1b1b1e}
.legend span{border-left:1em solid;padding-left:.4em;margin-right:1em;font-size:.85rem}
tr,section{break-inside:avoid}@media print{body{margin:0;max-width:none}}`;

/** The beginning of a page, with its headline. */
export const pageBegin = (title: string): string => `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>${escaped(title)}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>${style}</style></head><body>
<h1>${escaped(title)}</h1>
`;

export const pageEnd = '</body></html>\n';

const cells = (tag: 'th' | 'td', line: readonly string[]): string =>
  `<tr>${line.map((cell) => `<${tag}>${escaped(cell)}</${tag}>`).join('')}</tr>`;

/** The beginning of a table; its head is printed again on each sheet. */
export const tableBegin = (head: readonly string[]): string =>
  `<table><thead>${cells('th', head)}</thead><tbody>`;
export const tableRow = (line: readonly string[]): string => cells('td', line);
export const tableEnd = '</tbody></table>';
