/**
 * `npm run drills`: a mesh under load is broken in one way after the other; see README.md. Ends with 1 when
 * something is missed, 2 when it was asked for what there is not, 130 when interrupted.
 */

import { UsageError } from '../options.ts';
import { discoverDrills } from './discover.ts';
import { figuresOf } from './figures.ts';
import { KeptRows } from './kept-rows.ts';
import { type DrillOptions, drillOptions, usage } from './options.ts';
import { runDrills, select } from './run-drills.ts';
import { scenariosMain } from './scenarios/main.ts';
import { figuresTable, shortTable } from './table.ts';
import { commitHere, writeResult } from './write-result.ts';

// Those have no load, and a table of their own.
if (process.argv[2] === 'scenarios') process.exitCode = await scenariosMain(process.argv.slice(3));
else await drills(parsed());

async function drills(options: DrillOptions): Promise<void> {
  const progress = (line: string): void => void process.stderr.write(`${line}\n`);
  const all = await discoverDrills();
  const selected = select(all, options);
  const unmatched = options.words.filter((word) => select(all, { words: [word], short: false }).length === 0);
  if (unmatched.length > 0) fail(`there is no drill and no failure named like ${unmatched.join(', ')}`);
  if (selected.length === 0) fail('none of these belongs to the short form');
  if (options.list) {
    for (const { drill, failures } of selected) {
      process.stdout.write(`${drill.name}: ${drill.about}\n`);
      for (const { name, short } of failures)
        process.stdout.write(`  ${name}${short ? ' (short form)' : ''}\n`);
    }
  } else {
    const interrupt = new AbortController();
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => interrupt.abort());
    // Before it runs: what is committed meanwhile is not what ran.
    const commit = options.write || options.keep !== undefined ? commitHere() : '';
    const kept = keptRows(options, commit);
    const { rows, errors } = await runDrills(selected, options, {
      signal: interrupt.signal,
      progress,
      ...(kept && { kept }),
    });
    for (const error of errors) progress(`✗ ${error}`);
    const figures = figuresOf(rows);
    const ok =
      errors.length === 0 &&
      rows.length > 0 &&
      !interrupt.signal.aborted &&
      rows.every((row) => (options.functional ? row.held : row.ok));
    if (rows.length > 0) {
      const tables = `${shortTable(rows)}\n\n${figuresTable(rows)}`.trimEnd();
      (options.json ? process.stderr : process.stdout).write(`${tables}\n`);
    }
    // Rows that were finished before an interruption are as good as others.
    if (options.write && rows.length > 0) {
      const known = all.flatMap(({ failures }) => failures.map(({ name }) => name));
      writeResult(rows, { commit, known, progress });
    }
    if (options.json)
      process.stdout.write(`${JSON.stringify({ name: 'drills', ok, figures, rows, errors })}\n`);
    process.exitCode = interrupt.signal.aborted ? 130 : ok ? 0 : 1;
  }
}

function keptRows({ keep, size }: DrillOptions, commit: string): KeptRows | undefined {
  try {
    return keep === undefined ? undefined : new KeptRows(keep, { commit, size: JSON.stringify(size) });
  } catch (error) {
    if (error instanceof UsageError) fail(error.message);
    throw error;
  }
}

function parsed(): DrillOptions {
  try {
    const given = drillOptions(process.argv.slice(2));
    if (given !== undefined) return given;
  } catch (error) {
    if (error instanceof UsageError) fail(error.message);
    throw error;
  }
  process.stdout.write(`${usage}\n`);
  process.exit(0);
}

function fail(problem: string): never {
  process.stderr.write(`${problem}\n\n${usage}\n`);
  process.exit(2);
}
