import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Figure } from './figure.ts';
import { type BenchProcess, startProcess } from './process.ts';

/** One comparison: what `npm run bench -- <name>` runs. */
export interface Bench {
  readonly name: string;
  /** One line. */
  readonly about: string;
  run(context: BenchContext): Promise<Figure[]>;
}

export interface BenchOptions {
  /** Milliseconds of load on one contender in one round. */
  readonly sliceMs: number;
  /** Rounds; up to `maxRounds` while the noise hides the answer. */
  readonly rounds: number;
  readonly maxRounds: number;
  readonly signal: AbortSignal;
  readonly progress: (line: string) => void;
}

/** What a bench has to work with; whatever it starts by this ends with it. */
export interface BenchContext extends BenchOptions {
  /** A folder of its own, with a path short enough for sockets. */
  readonly dir: string;
  start(...args: Parameters<typeof startProcess>): Promise<BenchProcess>;
  /** Run at the end, the latest first. */
  defer(close: () => Promise<void> | void): void;
}

export class BenchInterrupted extends Error {
  override readonly name = 'BenchInterrupted';
  constructor() {
    super('interrupted');
  }
}

/** Runs a bench, and ends all that it started. */
export async function runBench(bench: Bench, options: BenchOptions): Promise<Figure[]> {
  const dir = mkdtempSync(join(tmpdir(), 'sp-bench-'));
  const closers: (() => Promise<void> | void)[] = [() => rmSync(dir, { recursive: true, force: true })];
  const defer = (close: () => Promise<void> | void): void => void closers.push(close);
  try {
    return await bench.run({
      ...options,
      ...{ dir, defer },
      start: async (...args) => {
        const started = await startProcess(...args);
        defer(() => started.stop());
        return started;
      },
    });
  } finally {
    for (const close of closers.toReversed()) {
      try {
        await close();
      } catch (error) {
        options.progress(`  not closed: ${String(error)}`);
      }
    }
  }
}
