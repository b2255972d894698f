import type { Command } from 'commander';
import { type CommandContext, type CommonOptions, wholeNumber } from './command.ts';
import type { Outcome } from './report.ts';
import { table } from './table.ts';

/** Options of all commands that list. */
export interface ListOptions extends CommonOptions {
  /** Entries at most. */
  readonly limit: number;
  /** Where the page before ended. */
  readonly page?: string;
  readonly all?: boolean;
}

/** A page as the tier gives it. */
export interface Page<T> {
  readonly entries: readonly T[];
  /** Asks for the next page; empty at the end. */
  readonly next: string;
}

/** Entries that one call gives at most, by the contracts. */
const maxPage = 1000;
/** A list that is longer is for programs to page through. */
const maxAll = 100_000;

export const withPages = (command: Command): Command =>
  command
    .option('--limit <n>', 'entries at most', wholeNumber(1, maxPage), 100)
    .option('--page <token>', 'go on where the list before ended')
    .option('--all', `all of them, up to ${maxAll}`);

/** Reads one page, or with --all one after the other. `ask` gets the size and the token of a page. */
export async function readList<T>(
  options: Pick<ListOptions, 'limit' | 'page' | 'all'>,
  { report }: Pick<CommandContext, 'report'>,
  ask: (page: { readonly pageSize: number; readonly pageToken: string }) => Promise<Page<T>>,
): Promise<Page<T>> {
  const entries: T[] = [];
  let next = options.page ?? '';
  do {
    const page = await ask({ pageSize: options.all ? maxPage : options.limit, pageToken: next });
    entries.push(...page.entries);
    next = page.next;
    if (options.all && next !== '') report.progress(`${entries.length} read so far`);
  } while (options.all && next !== '' && entries.length < maxAll);
  return { entries, next };
}

/** Shows a list to people, and gives it to programs as `items` and `nextPage`. */
export function showList<T>(
  { report }: Pick<CommandContext, 'report'>,
  list: Page<T>,
  as: {
    /** Of one and of many. */
    readonly what: readonly [string, string];
    readonly head: readonly string[];
    readonly row: (entry: T) => readonly string[];
    readonly json: (entry: T) => unknown;
  },
): Outcome {
  const { entries, next } = list;
  if (entries.length > 0) for (const line of table(as.head, entries.map(as.row))) report.say(line);
  report.say(`${entries.length} ${as.what[entries.length === 1 ? 0 : 1]}`);
  if (next !== '') report.say(`There are more: --all, or --page '${next}'`);
  return { ok: true, items: { items: entries.map(as.json), nextPage: next } };
}
