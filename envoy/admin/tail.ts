import { closeSync, existsSync, fstatSync, openSync, readSync } from 'node:fs';

const defaultBytes = 1_048_576;

/** The end of a file, at most so many bytes of it, from the beginning of a line on; empty if there is none. */
export function readTail(path: string, bytes = defaultBytes): string {
  if (!existsSync(path)) return '';
  const file = openSync(path, 'r');
  try {
    const { size } = fstatSync(file);
    const length = Math.min(size, bytes);
    const buffer = Buffer.alloc(length);
    const text = buffer.subarray(0, readSync(file, buffer, 0, length, size - length)).toString('utf8');
    return size > length ? text.slice(text.indexOf('\n') + 1) : text;
  } finally {
    closeSync(file);
  }
}
