/**
 * `npm run bench [-- NAMES] [--json] [--slice MS] [--rounds N]`: our processes beside the simplest thing that
 * does the same, in one run; see docs/BENCH.md. Ends with 1 when a goal is missed, 130 when interrupted.
 */
import { parseArgs } from 'node:util';
import { authorize } from './authorize.ts';
import { check } from './check.ts';
import { type Bench, BenchInterrupted, runBench } from './harness/context.ts';
import { pinning } from './harness/cores.ts';
import type { Figure } from './harness/figure.ts';
import { table } from './harness/table.ts';
import { memory } from './memory.ts';
import { open } from './open.ts';
import { path } from './path.ts';
import { persistence } from './persistence.ts';
import { policy } from './policy.ts';
import { relay } from './relay.ts';
import { tasksBench } from './tasks.ts';

const benches: readonly Bench[] = [
  authorize,
  check,
  relay,
  open,
  persistence,
  memory,
  policy,
  tasksBench,
  path,
];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: 'boolean', default: false },
    slice: { type: 'string', default: '1000' },
    rounds: { type: 'string', default: '9' },
    help: { type: 'boolean', default: false },
  },
});
const number = (text: string, min: number, max: number): number => {
  const value = Number(text);
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  return usage(`"${text}" is not a number from ${min} to ${max}`);
};
if (values.help) usage();
const unknown = positionals.filter((name) => !benches.some((each) => each.name === name));
if (unknown.length > 0) usage(`there is no bench ${unknown.join(', ')}`);
const sliceMs = number(values.slice, 100, 60_000);
const rounds = number(values.rounds, 1, 101);

const interrupt = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => interrupt.abort());
const progress = (line: string): void => void process.stderr.write(`${line}\n`);

const figures: Figure[] = [];
let failed = false;
if (!pinning) progress('no taskset, or one core only: processes are not pinned');
for (const bench of benches) {
  if (positionals.length > 0 && !positionals.includes(bench.name)) continue;
  if (interrupt.signal.aborted) break;
  progress(`${bench.name}: ${bench.about}`);
  try {
    const maxRounds = Math.max(rounds, 3 * rounds);
    figures.push(
      ...(await runBench(bench, { sliceMs, rounds, maxRounds, signal: interrupt.signal, progress })),
    );
  } catch (error) {
    failed = true;
    if (!(error instanceof BenchInterrupted)) progress(`${bench.name} failed: ${describe(error)}`);
  }
}
const ok = !failed && !interrupt.signal.aborted && figures.every((each) => each.ok);
(values.json ? process.stderr : process.stdout).write(table(figures));
if (values.json) process.stdout.write(`${JSON.stringify({ name: 'bench', ok, figures })}\n`);
process.exitCode = interrupt.signal.aborted ? 130 : ok ? 0 : 1;

function describe(error: unknown): string {
  return error instanceof Error ? String(error.stack) : String(error);
}

function usage(problem?: string): never {
  const lines = [
    ...(problem === undefined ? [] : [problem]),
    'npm run bench [-- NAMES] [--json] [--slice MS] [--rounds N]',
    ...benches.map(({ name, about }) => `  ${name.padEnd(11)} ${about}`),
    '  --slice    milliseconds of load on each contender in each round (default 1000)',
    '  --rounds   pairs; up to three times as many while the noise hides an answer (default 9)',
    '  --json     the last line is {"name","ok","figures"}',
  ];
  (problem === undefined ? process.stdout : process.stderr).write(`${lines.join('\n')}\n`);
  process.exit(problem === undefined ? 0 : 2);
}
