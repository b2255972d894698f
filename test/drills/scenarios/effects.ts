import { existsSync, readFileSync } from 'node:fs';

/** What a receiver of effects has got, which goes by their tokens. */
export interface Received {
  /** Different effects. */
  readonly had: number;
  /** Begun a second time, under the same token: had once. */
  readonly again: number;
  /** The same step under two tokens: had twice. */
  readonly doubled: number;
}

/** @param file one line each: task, step, token */
export function received(file: string, taskId: string): Received {
  const text = existsSync(file) ? readFileSync(file, 'utf8') : '';
  const lines = text.split('\n').filter((line) => line.startsWith(`${taskId} `));
  const tokens = new Set(lines.map((line) => line.slice(line.lastIndexOf(' ') + 1)));
  const steps = new Set(lines.map((line) => line.slice(0, line.lastIndexOf(' '))));
  return { had: steps.size, again: lines.length - tokens.size, doubled: tokens.size - steps.size };
}
