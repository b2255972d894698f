import { z } from 'zod';
import type { PartsOptions } from '#compose/parts/options.ts';
import { run, tail } from '#compose/parts/run.ts';
import type { Finding } from '../finding.ts';
import type { ObjectLog } from './object-log.ts';
import { findPorcupine } from './porcupine.ts';

export interface LinearizableOptions {
  /** How the checker is found or built. */
  readonly parts: PartsOptions;
  /** For each object; one that takes longer is undecided. Default 60 s. */
  readonly objectTimeoutMs?: number;
}

const verdict = z.strictObject({
  object: z.string(),
  result: z.enum(['Ok', 'Illegal', 'Unknown']),
  op: z.string(),
  /** Milliseconds on the history's clock. */
  at: z.number(),
  /** What it did, and what the longest order that explains the rest leaves there. */
  text: z.string(),
});

const wholeTimeoutMs = 15 * 60_000;

/** Whether each register and set behaves as one that is changed at one moment within each operation. */
export async function checkLinearizable(
  objects: ObjectLog,
  options: LinearizableOptions | undefined,
): Promise<Finding[]> {
  if (objects.path === undefined) return [];
  if (options === undefined) {
    const message = `${objects.count} operations on objects, and no checker for them`;
    return [{ rule: 'undecided', ops: [], at: 0, message }];
  }
  const { parts, objectTimeoutMs = 60_000 } = options;
  const program = await findPorcupine(parts);
  const lines: string[] = [];
  const args = ['-timeout', `${objectTimeoutMs}ms`, objects.path];
  const { env, signal } = parts;
  const onLine = (line: string): void => {
    lines.push(line);
  };
  const result = await run(program, args, { env, timeoutMs: wholeTimeoutMs, signal, onLine });
  if (!result.ok)
    throw new Error(`the linearizability checker failed (${result.ending}): ${tail(result.stderr)}`);
  return lines.flatMap((line): Finding[] => {
    const { object, result: judged, op, at, text } = verdict.parse(JSON.parse(line));
    if (judged === 'Ok') return [];
    if (judged === 'Illegal')
      return [{ rule: 'not-linearizable', ops: [op], at, message: `${object}: ${text}` }];
    const message = `${object}: not decided within ${objectTimeoutMs} ms`;
    return [{ rule: 'undecided', ops: [], at, message }];
  });
}
