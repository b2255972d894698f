import { systemClock } from '#kernel/time/system-clock.ts';
import { orAborted } from '#sdk/deadline.ts';
import type { Drill, Failure, StepContext, Victim } from './drill.ts';
import { judgeHistory } from './judge-history.ts';
import { cpuPressureUs } from './pressure.ts';
import { between, seededRandom } from './random.ts';
import { type Row, rowOf } from './row.ts';
import type { RowFigure } from './row-figure.ts';
import type { Stand } from './stand.ts';

/** Load before anything is broken, on a mesh that is warm. */
const calmMs = 1000;
/** Load after all serves again. */
const settleMs = 1000;
/** For everything to serve again: a database node that must fetch a copy takes its time on a starved machine. */
const upMs = 120_000;

/** Brings one failure about on a mesh under load, and tells what the load saw. */
export async function runDrill(
  stand: Stand,
  drill: Drill,
  failure: Failure,
  seed: number,
  o: { readonly signal: AbortSignal; readonly progress: (line: string) => void },
): Promise<Row> {
  const { mesh, network, load } = stand;
  const began = performance.now();
  const random = seededRandom(seed);
  const errors: string[] = [];
  const notes: string[] = [];
  const figures: RowFigure[] = [];
  const undo: (() => void | Promise<void>)[] = [];
  const watch = (ms: number): Promise<void> => systemClock.sleep(ms, o.signal);
  const settle = async (what: string): Promise<void> => {
    const { seconds, calm, longest } = await orAborted(load.settle(), o.signal);
    notes.push(
      `${what}: ${calm ? 'calm' : 'not calm'} after ${seconds.toFixed(1)} s, longest request ${longest.ms} ms, ${longest.what}`,
    );
  };
  let victims: readonly Victim[] = [];
  const attempt = async (what: string, work: () => void | Promise<void>): Promise<void> => {
    try {
      await work();
    } catch (error) {
      if (o.signal.aborted) throw error;
      errors.push(`${what}: ${error instanceof Error ? error.message : String(error)}`);
    }
  };
  const steps = async (): Promise<void> => {
    const context: StepContext = {
      mesh,
      network: () => {
        if (network === undefined) throw new Error(`the hosts of ${drill.name} are no namespaces`);
        return network;
      },
      failure,
      victims,
      random,
      lastsMs: failure.lasts === undefined ? 0 : between(random, ...failure.lasts),
      signal: o.signal,
      load,
      broken: (mayRefuseAfterMs) => load.broken(mayRefuseAfterMs),
      mended: () => load.mended(),
      watch,
      settle,
      undo: (run) => void undo.push(run),
      note: (line) => void notes.push(line),
      figure: (figure) => void figures.push(figure),
    };
    for (const step of drill.steps) {
      o.progress(`    ${step.name}`);
      await step.run(context);
    }
  };
  const pressureBefore = cpuPressureUs();
  await load.begin();
  try {
    victims = await failure.victims(mesh, random);
    o.progress(
      `  ${failure.name}, seed ${seed}: ${victims.map(({ pod, part }) => `${pod} ${part}`).join(', ')}`,
    );
    if (stand.drills === 0) await settle('a new mesh');
    stand.drills += 1;
    await watch(calmMs);
    await attempt('a step failed', steps);
  } finally {
    for (const run of undo.toReversed()) await attempt('not undone', run);
  }
  const before = performance.now();
  await attempt('not everything serves again', () => mesh.waitUp(upMs));
  notes.push(`everything served again after ${((performance.now() - before) / 1000).toFixed(1)} s`);
  await watch(settleMs);
  const report = await load.end();
  const pressure = cpuPressureUs();
  let waitedPercent: number | undefined;
  if (pressure !== undefined && pressureBefore !== undefined) {
    waitedPercent = Math.round((pressure - pressureBefore) / 1e4 / ((performance.now() - began) / 1000));
    notes.push(`something waited for a CPU in ${waitedPercent} % of the time`);
  }
  const judged = await judgeHistory(report.history, { env: process.env, ...o });
  notes.push(`${judged.operations} operations of its history were checked`);
  const all = {
    ...report,
    lost: [...report.lost, ...judged.lost],
    wrong: [...report.wrong, ...judged.wrong],
  };
  return rowOf({ drill: drill.name, failure, seed, victims, notes, figures, waitedPercent }, all, [
    ...errors,
    ...report.between,
    ...judged.errors,
  ]);
}
