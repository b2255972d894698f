import type { ArchitectureResult, CauseResult } from '#core/cost/compare.ts';
import { money, type OutageCost, plain } from '#core/cost/outage.ts';
import { escaped, pageBegin, pageEnd, tableBegin, tableEnd, tableRow } from '#core/print/page.ts';
import { investmentCells, lasting, percent } from './text.ts';

/** One page that prints on paper as it stands: no script, nothing loaded from elsewhere. */
export function htmlReport(
  outage: OutageCost,
  results: readonly ArchitectureResult[],
  about: { readonly made: string; readonly from: string },
): string {
  const first = results[0]?.architecture.name ?? '';
  return `${pageBegin('What downtime costs')}<p class="about">Made by Sallyport on ${escaped(about.made)} from ${escaped(about.from)}.</p>
<h2>An outage: ${money(outage.dollars)}</h2>
<ul>${outage.working.map((line) => `<li>${escaped(line)}</li>`).join('')}</ul>
<h2>Cost a year</h2>
${chart(
  results.map((each) => ({
    name: each.architecture.name,
    parts: [
      { what: 'outages', value: each.outagePerYear },
      { what: 'machines', value: each.architecture.machinesPerYear },
      { what: 'people', value: each.architecture.peoplePerYear },
    ],
  })),
  (value) => money(Math.round(value)),
)}
${grid(
  ['', 'what it is', 'down a year', 'availability', 'outages', 'running', 'together'],
  results.map((each) => [
    each.architecture.name,
    each.architecture.about,
    lasting(each.secondsPerYear),
    percent(each.availability),
    money(Math.round(each.outagePerYear)),
    money(Math.round(each.runningPerYear)),
    money(Math.round(each.totalPerYear)),
  ]),
)}
<h2>What it brings, against ${escaped(first)}</h2>
${grid(
  ['', 'saved a year', 'more a year', 'once', 'return in the first year', 'payback', 'break-even'],
  results.flatMap(({ architecture, against }) =>
    against === undefined ? [] : [[architecture.name, ...investmentCells(against)]],
  ),
)}
<h2>Downtime a year, by cause</h2>
${results.map(ofArchitecture).join('\n')}
${pageEnd}`;
}

function ofArchitecture({ architecture, causes }: ArchitectureResult): string {
  return `<section><h3>${escaped(architecture.name)}</h3>
${chart(
  causes.map((each) => ({ name: each.cause, parts: [{ what: 'down', value: each.secondsPerYear }] })),
  lasting,
)}
${grid(['cause', 'a year', 'each', 'down', 'cost', 'source'], causes.map(causeCells))}</section>`;
}

const causeCells = (each: CauseResult): string[] => [
  each.cause,
  `${plain(each.perYear.value)} (${each.perYear.source})`,
  lasting(each.seconds.value),
  lasting(each.secondsPerYear),
  money(Math.round(each.dollarsPerYear)),
  `${each.seconds.kind}: ${each.seconds.source}`,
];

interface Bar {
  readonly name: string;
  readonly parts: readonly { readonly what: string; readonly value: number }[];
}

const colours = ['#9b2226', '#3a6ea5', '#8d99ae'];

/** Horizontal bars, each with its value; parts one after the other, with a legend if there are several. */
function chart(bars: readonly Bar[], show: (value: number) => string): string {
  const totals = bars.map(({ parts }) => parts.reduce((sum, { value }) => sum + value, 0));
  const most = Math.max(...totals, Number.MIN_VALUE);
  const [left, width, row] = [110, 470, 26];
  const rows = bars.map(({ name, parts }, at) => {
    let x = left;
    const rects = parts.map(({ what, value }, part) => {
      const w = (value / most) * width;
      const rect = `<rect x="${x.toFixed(1)}" y="${at * row + 4}" width="${w.toFixed(1)}" height="${row - 8}" fill="${colours[part]}"><title>${escaped(`${what}: ${show(value)}`)}</title></rect>`;
      x += w;
      return rect;
    });
    const middle = at * row + row / 2 + 4;
    return `<text x="${left - 8}" y="${middle}" text-anchor="end">${escaped(name)}</text>${rects.join('')}<text x="${(x + 6).toFixed(1)}" y="${middle}">${escaped(show(totals[at] ?? 0))}</text>`;
  });
  const kinds = bars[0]?.parts ?? [];
  const legend =
    kinds.length < 2
      ? ''
      : `<p class="legend">${kinds.map(({ what }, part) => `<span style="border-color:${colours[part]}">${escaped(what)}</span>`).join(' ')}</p>`;
  const label = bars.map(({ name }, at) => `${name} ${show(totals[at] ?? 0)}`).join(', ');
  return `<svg viewBox="0 0 700 ${bars.length * row}" role="img" aria-label="${escaped(label)}">${rows.join('')}</svg>${legend}`;
}

const grid = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  `${tableBegin(head)}${rows.map(tableRow).join('')}${tableEnd}`;
