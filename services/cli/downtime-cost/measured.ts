import { existsSync, readFileSync } from 'node:fs';
import { z } from 'zod';
import type { Sourced } from '#core/cost/compare.ts';
import { SallyportError } from '#core/errors/error.ts';

/** The longest stall of a failure over all its seeds, with the run it comes from; undefined if it was not run. */
export type MeasuredStalls = (failure: string, group: 'relay' | 'login' | 'write') => Sourced | undefined;

/** What this reads of docs/drills/latest.json, which `npm run drills -- --write` writes. */
const resultSchema = z.object({
  date: z.string(),
  commit: z.string(),
  rows: z.array(
    z.object({
      failure: z.string(),
      seed: z.number(),
      /** Of the row; without it that of the result. */
      commit: z.string().optional(),
      /** Milliseconds. */
      stalls: z.object({ relay: z.number(), login: z.number(), write: z.number() }),
    }),
  ),
});

/** @throws CONFIG_INVALID when the file is something else */
export function measuredIn(file: string): MeasuredStalls {
  if (!existsSync(file)) return () => undefined;
  let result: z.output<typeof resultSchema>;
  try {
    result = resultSchema.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch (cause) {
    throw new SallyportError('CONFIG_INVALID', {
      message: `${file} is not a table of drills`,
      hint: '`npm run drills -- --write` writes one',
      cause,
    });
  }
  return (failure, group) => {
    const rows = result.rows.filter((row) => row.failure.toLowerCase() === failure.toLowerCase());
    const [worst] = rows.toSorted((a, b) => b.stalls[group] - a.stalls[group]);
    if (worst === undefined) return undefined;
    return {
      value: worst.stalls[group] / 1000,
      source: `drill "${worst.failure}" of ${result.date}, commit ${worst.commit ?? result.commit}, longest ${group} stall of ${rows.length} seeds (seed ${worst.seed})`,
      kind: 'measured',
    };
  };
}
