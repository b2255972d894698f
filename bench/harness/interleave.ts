import { type BenchContext, BenchInterrupted } from './context.ts';
import { cpuSecondsOf } from './cpu.ts';
import type { BenchProcess } from './process.ts';

/** Share of the slice that the server must have been at work for. */
const enough = 0.8;
/** Milliseconds in which it has to manage that. */
const maxSliceMs = 120_000;

/** A server under a load. */
export interface Contender {
  readonly name: string;
  /** Processes whose CPU time counts. */
  readonly pids: readonly number[];
  /** Answers `{ run: milliseconds }` with a SliceAnswer. */
  readonly load: Pick<BenchProcess, 'ask'> & Partial<Pick<BenchProcess, 'stop'>>;
}

export interface SliceAnswer {
  /** Requests answered as they should be. */
  readonly done: number;
  readonly failed: number;
}

/** Requests per CPU second of each contender, by name, one a round: what stands at the same place is a pair. */
export type Rates = ReadonlyMap<string, readonly number[]>;

/**
 * Loads the contenders one after the other, a slice each, round by round; every other round backwards, so
 * that what drifts meets all of them alike. Goes on for up to `maxRounds` while `more` says that the noise
 * hides the answer.
 * @throws when a request fails: what answers wrongly is not measured
 */
export async function interleave(
  context: BenchContext,
  contenders: readonly Contender[],
  more: (rates: Rates) => boolean = () => false,
): Promise<Rates> {
  const { rounds, maxRounds, sliceMs, progress } = context;
  const rates = new Map<string, number[]>(contenders.map(({ name }) => [name, []]));
  // What runs for the first time is compiled; it takes seconds until that has settled.
  for (const each of contenders) await slice(context, each, 3 * sliceMs);
  for (let round = 0; round < maxRounds; round++) {
    for (const each of round % 2 === 0 ? contenders : contenders.toReversed()) {
      rates.get(each.name)?.push(await slice(context, each, sliceMs));
    }
    const last = contenders.map(({ name }) => `${name} ${Math.round(rates.get(name)?.at(-1) ?? 0)}`);
    progress(`  round ${round + 1}: ${last.join(', ')} a CPU second`);
    if (round + 1 >= rounds && !more(rates)) break;
  }
  return rates;
}

/** Until the server has used `ms` of CPU: on a busy machine that takes longer, and a short look says nothing. */
async function slice(context: BenchContext, contender: Contender, ms: number): Promise<number> {
  const used = (): number => contender.pids.reduce((sum, pid) => sum + cpuSecondsOf(pid), 0);
  const before = used();
  let done = 0;
  let cpu = 0;
  const begun = performance.now();
  while (cpu < (ms / 1000) * enough) {
    if (context.signal.aborted) throw new BenchInterrupted();
    if (performance.now() - begun > maxSliceMs) {
      throw new Error(
        `${contender.name} used ${cpu} s of CPU in ${maxSliceMs / 1000} s: is this machine busy?`,
      );
    }
    const answer = (await contender.load.ask({ run: ms })) as SliceAnswer;
    if (answer.failed > 0) {
      throw new Error(
        `${contender.name}: ${answer.failed} of ${answer.done + answer.failed} requests failed`,
      );
    }
    done += answer.done;
    cpu = used() - before;
  }
  return done / cpu;
}

/** The rates of one contender. */
export function rateOf(rates: Rates, name: string): readonly number[] {
  const found = rates.get(name);
  if (found === undefined) throw new Error(`nobody measured ${name}`);
  return found;
}
