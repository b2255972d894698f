import type { ScenarioRow } from './run-scenarios.ts';

/** The eight rows, each beside what Sun's guide says of it. */
export function scenarioTable(rows: readonly ScenarioRow[]): string {
  const numbers = [...new Set(rows.map(({ number }) => number))].toSorted((a, b) => a - b);
  const head =
    '| # | a node dies while … | Sun without / with persistence | here without | here with | what was done again | lost | doubled |';
  const lines = numbers.map((number) => {
    const of = rows.filter((row) => row.number === number);
    const here = (persistence: ScenarioRow['persistence']): string => {
      const row = of.find((each) => each.persistence === persistence);
      return row === undefined ? '' : seen(row);
    };
    const sum = (field: 'again' | 'lost' | 'doubled'): number => of.reduce((all, row) => all + row[field], 0);
    const again = sum('again');
    const { what = '', sun = ['', ''] } = of[0] ?? {};
    const repeated = again === 0 ? 'nothing' : `${again} effect${again === 1 ? '' : 's'}, had once`;
    return `| ${number} | ${what} | ${sun.join(' / ')} | ${here('off')} | ${here('on')} | ${repeated} | ${sum('lost')} | ${sum('doubled')} |`;
  });
  return [head, '| --- | --- | --- | --- | --- | --- | --- | --- |', ...lines].join('\n');
}

/** What the person saw, or the application. */
function seen({ ok, logins, waitedMs }: ScenarioRow): string {
  const mark = ok ? '' : ' ✗';
  const wait = waitedMs < 500 ? '' : `; an answer took ${(waitedMs / 1000).toFixed(1)} s`;
  return `${logins === 0 ? 'yes' : 'a new login, then it goes on'}${wait}${mark}`;
}
