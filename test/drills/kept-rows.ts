import { appendFileSync, mkdirSync, readFileSync, truncateSync } from 'node:fs';
import { dirname } from 'node:path';
import { z } from 'zod';
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

  /** Reads what an earlier run of the same commit and size has left there. @throws when it is no such file */
  constructor(file: string, run: RunOf) {
    this.#file = file;
    this.#run = run;
    for (const [at, text] of linesOf(file).entries()) {
      try {
        const { row, ...of } = line.parse(JSON.parse(text));
        // Written by this class: what is more than the schema says is there, too.
        if (of.commit === run.commit && of.size === run.size) this.#rows.push(row as unknown as Row);
      } catch (cause) {
        throw new Error(`line ${at + 1} of ${file} is no row of a drill`, { cause });
      }
    }
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

/** All whole lines: one that was being written when the run ended is removed. */
function linesOf(file: string): string[] {
  try {
    const bytes = readFileSync(file);
    const whole = bytes.lastIndexOf('\n') + 1;
    if (whole < bytes.length) truncateSync(file, whole);
    return bytes.subarray(0, whole).toString('utf8').split('\n').slice(0, -1);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw error;
  }
}
