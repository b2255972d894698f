import { closeSync, existsSync, fstatSync, openSync, readdirSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { logDir } from '#compose/topology/paths.ts';
import { SallyportError } from '#core/errors/error.ts';
import type { CommandContext, CommonOptions } from '../command.ts';
import type { Outcome } from '../report.ts';

export interface LogOptions extends CommonOptions {
  readonly follow?: boolean;
  readonly lines: number;
}

/** What is read of a file's end to find its last lines in. */
const tailBytes = 1_048_576;
const lookEveryMs = 300;

interface LogFile {
  readonly path: string;
  /** `sec-0 envoy` */
  readonly name: string;
}

/** `sallyport logs` */
export async function runLogs(
  pod: string | undefined,
  { follow, lines }: LogOptions,
  command: CommandContext,
): Promise<Outcome> {
  const { stateDir, report, clock, signal } = command;
  const files = filesOf(stateDir, pod);
  const say = ({ name }: LogFile, text: string): void => {
    for (const line of text.split('\n')) if (line !== '') report.say(`${name} | ${line}`);
  };
  const read = new Map<string, number>();
  for (const file of files) {
    const { size } = statSync(file.path);
    const text = textFrom(file.path, Math.max(0, size - tailBytes), size);
    const end = text.lastIndexOf('\n') + 1;
    // What is not a whole line yet is read with the rest of it.
    read.set(file.path, size - Buffer.byteLength(text.slice(end)));
    say(
      file,
      text
        .slice(0, end)
        .split('\n')
        .slice(-1 - lines)
        .join('\n'),
    );
  }
  while (follow && !signal.aborted) {
    for (const file of files) {
      if (!existsSync(file.path)) continue;
      const { size } = statSync(file.path);
      const from = Math.min(read.get(file.path) ?? 0, size);
      // The runner empties files that have grown too large.
      const start = size < (read.get(file.path) ?? 0) ? 0 : from;
      const text = textFrom(file.path, start, Math.min(size, start + tailBytes));
      const end = text.lastIndexOf('\n') + 1;
      say(file, text.slice(0, end));
      read.set(file.path, start + Buffer.byteLength(text.slice(0, end)));
    }
    await pause(clock, signal);
  }
  return { ok: true, items: { files: files.map(({ path }) => path) } };
}

/** Ctrl-C is how following ends. */
async function pause(clock: CommandContext['clock'], signal: AbortSignal): Promise<void> {
  try {
    await clock.sleep(lookEveryMs, signal);
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

function filesOf(stateDir: string, pod: string | undefined): LogFile[] {
  const root = join(stateDir, 'pods');
  const pods = existsSync(root) ? readdirSync(root).sort() : [];
  const wanted = pod === undefined ? pods : pods.filter((each) => each === pod);
  const files = wanted.flatMap((name) => {
    const dir = logDir({ stateDir, runDir: '' }, name);
    if (!existsSync(dir)) return [];
    return readdirSync(dir)
      .filter((file) => file.endsWith('.log'))
      .sort()
      .map((file) => ({ path: join(dir, file), name: `${name} ${file.slice(0, -'.log'.length)}` }));
  });
  if (files.length > 0) return files;
  throw new SallyportError('NOT_FOUND', {
    message: pod === undefined ? `there are no logs in ${stateDir}` : `there are no logs of a pod ${pod}`,
    hint: pods.length === 0 ? '`sallyport up` starts a mesh' : `pods are ${pods.join(', ')}`,
  });
}

function textFrom(path: string, from: number, to: number): string {
  const file = openSync(path, 'r');
  try {
    const length = Math.max(0, Math.min(to, fstatSync(file).size) - from);
    const bytes = Buffer.alloc(length);
    return bytes.subarray(0, readSync(file, bytes, 0, length, from)).toString('utf8');
  } finally {
    closeSync(file);
  }
}
