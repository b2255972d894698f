import type { StallGoals } from './drill.ts';
import type { Row } from './row.ts';
import { goalOf, isReached, type RowFigure, worstOf } from './row-figure.ts';

const groups = ['relay', 'login', 'write'] as const satisfies readonly (keyof StallGoals)[];

/** Rows of a markdown table, with cells as wide as they must be. */
function markdown(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

const seconds = (ms: number): string => `${(ms / 1000).toFixed(ms < 995 ? 2 : 1)} s`;

function stallCell(stall: number, goal: number | undefined): string {
  if (goal === undefined) return seconds(stall);
  return `${seconds(stall)}${stall > goal ? ` ✗ (≤ ${goal / 1000} s)` : ''}`;
}

const head = [
  'failure',
  'requests',
  'failed',
  'UNKNOWN_OUTCOME (in flight)',
  'longest stall: relay',
  'login',
  'writes',
  'lost',
  'wrong',
  'CPU waited for',
];

/** A number that is to be none. */
const noneCell = (count: number): string => `${count}${count > 0 ? ' ✗' : ''}`;

const cells = (row: Row): string[] => {
  const { skipped, waitedPercent } = row.load;
  // Drills that have no load have no such figures.
  if (row.requests === 0) return head.slice(1).map(() => '–');
  return [
    `${row.requests}${skipped > 0 ? `, ${skipped} left out ✗` : ''}`,
    `${noneCell(row.failed)}${row.refused > 0 ? ` (${row.refused} refused)` : ''}`,
    `${row.unknown} (${row.inFlight})${row.unknown > row.inFlight ? ' ✗' : ''}`,
    ...groups.map((group) => stallCell(row.stalls[group], row.goals[group])),
    noneCell(row.lost),
    noneCell(row.wrong),
    waitedPercent === undefined ? '–' : `${waitedPercent} %`,
  ];
};

/** One that did not hold, whatever the other columns say. */
const nameCell = ({ failure, held }: Row): string => `${failure}${held ? '' : ' ✗'}`;

/** Failure by seed: everything that was measured. */
export function fullTable(rows: readonly MaybeWritten[]): string {
  const [first = '', ...rest] = head;
  return markdown(
    [first, 'seed', ...rest, ...commitHead(rows)],
    rows.map((row) => [nameCell(row), String(row.seed), ...cells(row), ...commitCell(rows, [row])]),
  );
}

/** Where rows are of several commits a column says of which. */
type MaybeWritten = Row & { readonly commit?: string };
const isOfSeveral = (rows: readonly MaybeWritten[]): boolean =>
  rows.some(({ commit }) => commit !== rows[0]?.commit);
const commitHead = (rows: readonly MaybeWritten[]): string[] => (isOfSeveral(rows) ? ['commit'] : []);
const commitCell = (rows: readonly MaybeWritten[], same: readonly MaybeWritten[]): string[] =>
  isOfSeveral(rows) ? [[...new Set(same.map(({ commit = '' }) => commit))].join(', ')] : [];

/** One line a failure: sums of all seeds, and the longest stall of any. */
export function shortTable(rows: readonly MaybeWritten[]): string {
  const [first = '', ...rest] = head;
  return markdown(
    [first, 'seeds', ...rest, ...commitHead(rows)],
    failuresOf(rows).map((same) => {
      const [one] = same;
      if (one === undefined) throw new RangeError('a failure without rows');
      const all = together(one, same);
      return [nameCell(all), String(same.length), ...cells(all), ...commitCell(rows, same)];
    }),
  );
}

/** Of each figure of one failure's rows, the worst of all seeds. */
export function worstFigures(rows: readonly Row[]): RowFigure[] {
  const named = Map.groupBy(
    rows.flatMap((row) => row.figures),
    ({ name }) => name,
  );
  return [...named.values()].map(worstOf);
}

/** What drills measured beside requests and stalls, the worst of all seeds; empty when none did. */
export function figuresTable(rows: readonly Row[]): string {
  const lines = failuresOf(rows).flatMap((same) =>
    worstFigures(same).map((figure) => [
      same[0]?.failure ?? '',
      figure.name,
      `${figure.value} ${figure.unit}${isReached(figure) ? '' : ' ✗'}`.trim(),
      goalOf(figure),
    ]),
  );
  return lines.length === 0 ? '' : markdown(['drill', 'figure', 'worst of all seeds', 'goal'], lines);
}

/** Rows by their failure, in the order of the first of each. */
export function failuresOf(rows: readonly Row[]): Row[][] {
  return [...Map.groupBy(rows, (row) => row.failure).values()];
}

function together(one: Row, rows: readonly Row[]): Row {
  const sum = (of: (row: Row) => number): number => rows.reduce((total, row) => total + of(row), 0);
  const most = (group: keyof StallGoals): number => Math.max(...rows.map((row) => row.stalls[group]));
  return {
    ...one,
    requests: sum((row) => row.requests),
    failed: sum((row) => row.failed),
    unknown: sum((row) => row.unknown),
    inFlight: sum((row) => row.inFlight),
    refused: sum((row) => row.refused),
    held: rows.every(({ held }) => held),
    load: {
      ...one.load,
      skipped: sum(({ load }) => load.skipped),
      waitedPercent: rows.every(({ load }) => load.waitedPercent !== undefined)
        ? Math.max(...rows.map(({ load }) => load.waitedPercent ?? 0))
        : undefined,
    },
    lost: sum((row) => row.lost),
    wrong: sum((row) => row.wrong),
    stalls: { relay: most('relay'), login: most('login'), write: most('write') },
  };
}

/** What a person wants to know of one row while it runs. */
export function rowLines(row: Row): string[] {
  const mark = row.ok ? '✓' : row.held ? '–' : '✗';
  const stalls = groups.map((group) => `${group} ${row.stalls[group]} (calm ${row.calm[group]})`).join(', ');
  return [
    `  ${mark} ${row.failure}, seed ${row.seed}: ${row.requests} requests in ${row.seconds.toFixed(1)} s, ` +
      `${row.failed} failed, ${row.refused > 0 ? `${row.refused} refused with RetryInfo, ` : ''}${row.unknown} unknown of ${row.inFlight} in flight, ${row.lost} lost, ` +
      `${row.wrong} wrong; stalls in ms: ${stalls}; load: ${row.load.cpu.toFixed(2)} cores, ` +
      `lag ${row.load.lagMs} ms${row.load.skipped > 0 ? `, ${row.load.skipped} skipped` : ''}`,
    ...row.problems.map((problem) => `      ${problem}`),
    ...groups.map((group) => `      longest ${group}: ${row.longest[group]}`),
    ...row.figures.map(
      (figure) =>
        `      ${isReached(figure) ? '' : '✗ '}${figure.name}: ${figure.value} ${figure.unit} ${goalOf(figure)}`,
    ),
    ...row.notes.map((note) => `      ${note}`),
  ];
}
