import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type RunOptions, type RunResult, run, tail } from '#compose/parts/run.ts';
import type { CCompiler } from '../tools/c-compiler.ts';
import type { Spin } from '../tools/spin.ts';
import type { Configuration } from './models.ts';
import { readVerdict, type Verdict } from './pan-output.ts';

export interface VerifyOptions {
  readonly spin: Spin;
  readonly compiler: CCompiler;
  /** Of one search. */
  readonly timeoutMs: number;
  readonly memoryMb: number;
  readonly signal: AbortSignal;
  /** Gets the number of states so far. */
  readonly onStates: (states: number) => void;
}

export interface Verified extends Verdict {
  /** Seconds that the search took, without making it. */
  readonly seconds: number;
  /** What happens until the error, step by step as the model tells it. */
  readonly steps: readonly string[];
}

const models = join(import.meta.dirname, '..', '..', 'docs', 'model');
/** Twelve times the deepest path that was seen. */
const maxDepth = 400_000;
/** To make a verifier on a starved machine, or to play one path again. */
const toolMs = 5 * 60_000;

/**
 * Searches all states of a model with these switches for an error. `whole`: in depth, to the end; `shortest`: in
 * breadth, so that the path to the error is a shortest one. Leaves nothing behind.
 * @throws PartsError ABORTED; Error when it cannot be made or has not ended in time
 */
export async function verify(
  { model, switches }: Configuration,
  search: 'whole' | 'shortest',
  o: VerifyOptions,
): Promise<Verified> {
  const dir = await mkdtemp(join(tmpdir(), 'sp-model-'));
  const { env } = o.compiler;
  const options = (more: Partial<RunOptions> = {}): RunOptions => ({
    ...{ env, cwd: dir, timeoutMs: toolMs, signal: o.signal, ...more },
  });
  const file = `${model}.pml`;
  const defines = switches.map((each) => `-D${each}`);
  const preprocessor = [quoted(o.compiler.file), ...o.compiler.args, '-E', '-x', 'c'].join(' ');
  const spin = (args: readonly string[]): Promise<RunResult> =>
    run(o.spin.bin, [`-P${preprocessor}`, ...args, ...defines, file], options());
  try {
    await cp(join(models, file), join(dir, file));
    succeeded('spin', await spin(['-a']));
    const way = search === 'whole' ? ['-O2'] : ['-O1', '-DBFS'];
    const limits = ['-DSAFETY', '-DNOCLAIM', `-DMEMLIM=${o.memoryMb}`];
    const compile = [...o.compiler.args, '-w', ...way, ...limits, '-o', 'pan', 'pan.c'];
    succeeded('the C compiler', await run(o.compiler.file, compile, options()));
    const begun = performance.now();
    const onLine = (line: string): void => {
      const states = /States=\s*([\d.e+]+)/.exec(line)?.[1];
      // In breadth it tells of each level, which are many.
      if (Number(states) >= 1e6) o.onStates(Number(states));
    };
    const result = await run(join(dir, 'pan'), [`-m${maxDepth}`], {
      ...options({ timeoutMs: o.timeoutMs }),
      onLine,
    });
    const seconds = (performance.now() - begun) / 1000;
    if (result.ending.startsWith('not ended')) throw new Error(`the search has ${result.ending}`);
    const verdict = readVerdict(`${result.stdout}\n${result.stderr}`);
    const steps = verdict.error === undefined ? [] : stepsOf((await spin(['-t', '-T'])).stdout);
    return { ...verdict, seconds, steps };
  } finally {
    // A compiler that was interrupted may still be writing for a moment.
    await rm(dir, { recursive: true, force: true, maxRetries: 8, retryDelay: 100 });
  }
}

function succeeded(what: string, result: RunResult): void {
  if (result.ok) return;
  throw new Error(`${what} failed (${result.ending}): ${tail(`${result.stdout}\n${result.stderr}`)}`);
}

/** Spin hands it to a shell. */
const quoted = (path: string): string => `'${path.replaceAll("'", `'\\''`)}'`;

/** What the model prints; spin's own words follow. */
function stepsOf(output: string): string[] {
  const lines = output.split('\n').map((line) => line.trim());
  const end = lines.findIndex((line) => line.startsWith('spin: '));
  return lines.slice(0, end < 0 ? undefined : end).filter((line) => line !== '');
}
