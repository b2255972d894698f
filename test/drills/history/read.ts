import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { type HistoryRecord, historyRecord } from './schema.ts';

/** A file that is not a history, or one of another run. */
export class HistoryError extends Error {
  override readonly name = 'HistoryError';
}

/**
 * The records of some files in one order of time, read as they are needed: one line of each in memory.
 * A last line without its end, left by a recorder that was killed, is no record.
 * @throws HistoryError with file and line
 */
export async function* readHistory(files: readonly string[]): AsyncGenerator<HistoryRecord> {
  const sources = files.map((file) => recordsOf(file));
  try {
    const heads = await Promise.all(
      sources.map(async (records) => ({ records, next: await records.next() })),
    );
    const begun = heads.map(({ next }) => next.value);
    assertOneRun(files, begun);
    for (;;) {
      let least: (typeof heads)[number] | undefined;
      for (const head of heads) {
        if (head.next.done === true) continue;
        if (least === undefined || least.next.done === true || head.next.value.at < least.next.value.at) {
          least = head;
        }
      }
      if (least === undefined || least.next.done === true) return;
      yield least.next.value;
      least.next = await least.records.next();
    }
  } finally {
    await Promise.all(sources.map((records) => records.return(undefined)));
  }
}

function assertOneRun(files: readonly string[], heads: readonly (HistoryRecord | undefined)[]): void {
  const [first] = heads;
  const recorders = new Set<string>();
  for (const [n, head] of heads.entries()) {
    if (head?.type !== 'history') throw new HistoryError(`${files[n]}: does not begin as a history does`);
    if (first?.type !== 'history' || head.run !== first.run || head.boot !== first.boot) {
      throw new HistoryError(`${files[n]}: is of another run, or of another boot of the machine`);
    }
    if (recorders.has(head.recorder)) {
      throw new HistoryError(`${files[n]}: a second file of the recorder ${head.recorder}`);
    }
    recorders.add(head.recorder);
  }
}

async function* recordsOf(file: string): AsyncGenerator<HistoryRecord, undefined> {
  const input = createReadStream(file, { encoding: 'utf8' });
  let number = 0;
  let last = 0;
  let held: string | undefined;
  const parse = (line: string): HistoryRecord => {
    number += 1;
    const where = `${file}:${number}`;
    const parsed = historyRecord.safeParse(jsonOf(line, where));
    if (!parsed.success) {
      const [issue] = parsed.error.issues;
      throw new HistoryError(`${where}: ${issue?.path.join('.')}: ${issue?.message}`);
    }
    if (parsed.data.at < last) throw new HistoryError(`${where}: is earlier than the line before it`);
    last = parsed.data.at;
    return parsed.data;
  };
  try {
    for await (const line of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
      if (held !== undefined) yield parse(held);
      held = line;
    }
    if (held !== undefined && (await endsWithNewline(file))) yield parse(held);
    return undefined;
  } finally {
    input.destroy();
  }
}

async function endsWithNewline(file: string): Promise<boolean> {
  const handle = await open(file);
  try {
    const { size } = await handle.stat();
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(1), 0, 1, Math.max(0, size - 1));
    return bytesRead === 1 && buffer[0] === 0x0a;
  } finally {
    await handle.close();
  }
}

function jsonOf(line: string, where: string): unknown {
  try {
    return JSON.parse(line);
  } catch (cause) {
    throw new HistoryError(`${where}: is not JSON`, { cause });
  }
}
