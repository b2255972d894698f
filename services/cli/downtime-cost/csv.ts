import type { ArchitectureResult } from '#core/cost/compare.ts';

const head = [
  ...['architecture', 'cause', 'events_per_year', 'events_source', 'seconds_each', 'seconds_kind'],
  ...['seconds_source', 'seconds_per_year', 'dollars_per_year'],
];

/** One line for each architecture and cause, and one with its sums (RFC 4180). */
export function csvReport(results: readonly ArchitectureResult[]): string {
  const lines = results.flatMap(({ architecture: { name }, causes, ...of }) => [
    ...causes.map((each) => [
      ...[name, each.cause, each.perYear.value, each.perYear.source, each.seconds.value, each.seconds.kind],
      ...[each.seconds.source, each.secondsPerYear, each.dollarsPerYear],
    ]),
    [name, 'all', '', '', '', '', '', of.secondsPerYear, of.outagePerYear],
    [name, 'running', '', '', '', '', '', '', of.runningPerYear],
  ]);
  return [head, ...lines].map((line) => `${line.map(cell).join(',')}\r\n`).join('');
}

function cell(value: string | number): string {
  const text = String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
