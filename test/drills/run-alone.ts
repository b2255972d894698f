import type { AloneContext, Drill, Failure } from './drill.ts';
import { cpuPressureUs } from './pressure.ts';
import { seededRandom } from './random.ts';
import { type Row, rowAlone } from './row.ts';
import type { RowFigure } from './row-figure.ts';

/** Runs a drill that needs no load, and gives what it has measured. */
export async function runAlone(
  drill: Drill,
  alone: (context: AloneContext) => Promise<void>,
  failure: Failure,
  seed: number,
  o: { readonly signal: AbortSignal; readonly progress: (line: string) => void },
): Promise<Row> {
  const began = performance.now();
  const pressure = cpuPressureUs();
  const [figures, notes, errors]: [RowFigure[], string[], string[]] = [[], [], []];
  try {
    await alone({
      ...o,
      failure,
      random: seededRandom(seed),
      note: (line) => void notes.push(line),
      figure: (figure) => void figures.push(figure),
    });
  } catch (error) {
    if (o.signal.aborted) throw error;
    errors.push(error instanceof Error ? error.message : String(error));
  }
  const seconds = (performance.now() - began) / 1000;
  const waited = (cpuPressureUs() ?? 0) - (pressure ?? 0);
  if (pressure !== undefined)
    notes.push(`something waited for a CPU in ${Math.round(waited / 1e4 / seconds)} % of the time`);
  return rowAlone({ drill: drill.name, failure, seed, seconds, figures, notes }, errors);
}
