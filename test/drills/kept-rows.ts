import { appendFileSync, mkdirSync, readFileSync, statSync, truncateSync } from 'node:fs';
import { dirname } from 'node:path';
import { z } from 'zod';
import { UsageError } from '../options.ts';
import type { Row } from './row.ts';

/** What rows must have in common to stand in one table. */
export interface RunOf {
  readonly commit: string;
  /** Devices, rate and the like, as JSON. */
  readonly size: string;
}

const line = z.looseObject({
  commit: z.string(),
  size: z.string(),
  row: z.looseObject({ drill: z.string(), failure: z.string(), seed: z.number() }),
});

/** Rows of a run that may be interrupted, in a file with a line of JSON each. */
export class KeptRows {
  readonly #file: string;
  readonly #run: RunOf;
  readonly #rows: Row[] = [];

  /** Reads what an earlier run of the same commit and size has left there. @throws UsageError when it is no such file */
  constructor(file: string, run: RunOf) {
    this.#file = file;
    this.#run = run;
    const { whole, rest } = linesOf(file);
    for (const [at, text] of whole.entries()) {
      try {
        const { row, ...of } = line.parse(JSON.parse(text));
        // Written by this class: what is more than the schema says is there, too.
        if (of.commit === run.commit && of.size === run.size) this.#rows.push(row as unknown as Row);
      } catch (cause) {
        throw new UsageError(`--keep: line ${at + 1} of ${file} is no row of a drill`, { cause });
      }
    }
    // One that was being written when the run ended, and nothing that is somebody else's.
    if (rest === '') return;
    const isOurs = rest.startsWith(rowStart) || rowStart.startsWith(rest);
    if (!isOurs) throw new UsageError(`--keep: the last line of ${file} is no row of a drill`);
    truncateSync(file, statSync(file).size - Buffer.byteLength(rest));
  }

  /** The row that was finished earlier. */
  find(failure: string, seed: number): Row | undefined {
    return this.#rows.find((row) => row.failure === failure && row.seed === seed);
  }

  add(row: Row): void {
    this.#rows.push(row);
    mkdirSync(dirname(this.#file), { recursive: true });
    appendFileSync(this.#file, `${JSON.stringify({ ...this.#run, row })}\n`);
  }
}

/** What each line begins with. */
const rowStart = '{"commit":';

/** All whole lines, and what is behind them. */
function linesOf(file: string): { readonly whole: readonly string[]; readonly rest: string } {
  try {
    const lines = readFileSync(file, 'utf8').split('\n');
    return { whole: lines.slice(0, -1), rest: lines.at(-1) ?? '' };
  } catch (cause) {
    const { code = '' } = cause as { code?: string };
    if (code === 'ENOENT') return { whole: [], rest: '' };
    throw new UsageError(`--keep: ${file} cannot be read (${code})`, { cause });
  }
}
