import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '#kernel/time/system-clock.ts';
import type { Row } from './row.ts';
import { figuresTable, fullTable, shortTable } from './table.ts';

const root = join(import.meta.dirname, '..', '..');

/** What docs/drills/latest.json holds: the latest run of each failure with each seed. */
export interface Result {
  readonly date: string;
  readonly commit: string;
  readonly machine: string;
  readonly seeds: readonly number[];
  readonly rows: readonly WrittenRow[];
}

/** A row with the commit that it was taken at. */
export type WrittenRow = Row & { readonly commit: string };

/**
 * The rows of a run, and from the result before those of failures and seeds that it has not taken: the seeds of an
 * evening may be taken on several. Failures that are no more are left out. In the order of `known`, the names of all
 * failures, and of the seeds.
 */
export function joinRows(
  before: Omit<Result, 'rows'> & { readonly rows: readonly (Row & { readonly commit?: string })[] },
  now: { readonly commit: string; readonly rows: readonly Row[] },
  known: readonly string[],
): WrittenRow[] {
  const nameOf = ({ failure, seed }: Pick<Row, 'failure' | 'seed'>): string => `${seed} ${failure}`;
  const taken = new Set(now.rows.map(nameOf));
  const kept = before.rows.filter((row) => !taken.has(nameOf(row)) && known.includes(row.failure));
  return [
    ...now.rows.map((row) => ({ ...row, commit: now.commit })),
    ...kept.map((row) => ({ ...row, commit: row.commit ?? before.commit })),
  ].sort((a, b) => known.indexOf(a.failure) - known.indexOf(b.failure) || a.seed - b.seed);
}

export interface WriteOptions {
  /** What was run. */
  readonly commit: string;
  /** The names of all failures. */
  readonly known: readonly string[];
  readonly progress: (line: string) => void;
}

/** Keeps a run in docs/drills/, and its table in the README. */
export function writeResult(taken: readonly Row[], { commit, known, progress }: WriteOptions): void {
  const dir = join(root, 'docs', 'drills');
  const file = join(dir, 'latest.json');
  const fresh = { date: '', commit, machine: '', seeds: [], rows: [] };
  const before = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Result) : fresh;
  const rows = joinRows(before, { commit, rows: taken }, known);
  const result: Result = {
    date: new Date(systemClock.now()).toISOString().slice(0, 10),
    commit,
    machine: `${availableParallelism()} cores (${cpus()[0]?.model.trim() ?? 'unknown'}), ${Math.round(totalmem() / 2 ** 30)} GiB`,
    seeds: [...new Set(rows.map(({ seed }) => seed))].sort((a, b) => a - b),
    rows,
  };
  mkdirSync(dir, { recursive: true });
  writeFileSync(file, `${JSON.stringify(result, null, 1)}\n`);
  writeFileSync(
    join(dir, 'README.md'),
    `# Drills: all rows of the latest run of each failure and seed\n${made(result)}\nHow they are run and what the columns mean: ` +
      `[test/drills/README.md](../../test/drills/README.md).\n\n${fullTable(rows)}\n\n${figuresTable(rows)}`
        .trimEnd()
        .concat('\n'),
  );
  const readme = join(root, 'README.md');
  writeFileSync(
    readme,
    withTable(
      readFileSync(readme, 'utf8'),
      `${made(result)}\n\n${shortTable(rows)}\n\n${figuresTable(rows)}`.trimEnd(),
    ),
  );
  progress('wrote docs/drills/ and the table in README.md');
}

/** Which commit it is that runs, with a plus when files other than the results differ from it. @throws where there is no git, or no repository */
export function commitHere(): string {
  const git = (...args: string[]): string =>
    execFileSync('git', args, { cwd: root, encoding: 'utf8' }).trim();
  const changed = git('status', '--porcelain', '--untracked-files=no', '--', '.', ':!docs', ':!README.md');
  return `${git('rev-parse', '--short', 'HEAD')}${changed === '' ? '' : '+'}`;
}

const made = ({ date, machine, seeds, rows: all }: Result): string => {
  const commits = [...new Set(all.map(({ commit }) => commit))];
  const rows = all.filter(({ requests }) => requests > 0);
  return (
    `${date}, ${commits.length > 1 ? 'commits' : 'commit'} ${commits.join(', ')}, ${machine}, seeds ${seeds.join(', ')}; ` +
    `load of ${Math.round(rows.reduce((sum, row) => sum + row.requests / row.seconds, 0) / Math.max(1, rows.length))} requests/s. ` +
    '✗: beyond the goal that stands behind it.'
  );
};

/** The page with what is between the marks of that name replaced. @throws when it has no marks */
export function withTable(page: string, table: string, name = 'drills'): string {
  const from = page.indexOf(`<!-- ${name}: begin`);
  const begun = page.indexOf('-->', from) + '-->'.length;
  const to = page.indexOf(`<!-- ${name}: end -->`);
  if (from < 0 || to < begun) throw new Error(`README.md has no place for the table of ${name}`);
  return `${page.slice(0, begun)}\n${table}\n${page.slice(to)}`;
}

/** Keeps a table in the README, with when and of what it was made. */
export function keepTable(name: string, table: string): void {
  const readme = join(root, 'README.md');
  const date = new Date(systemClock.now()).toISOString().slice(0, 10);
  const text = `${date}, commit ${commitHere()}.\n\n${table}`;
  writeFileSync(readme, withTable(readFileSync(readme, 'utf8'), text, name));
}
