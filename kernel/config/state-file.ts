import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { z } from 'zod';
import { SallyportError } from '#core/errors/error.ts';

/** What a JSON file of the state folder holds; undefined if there is none. @throws CONFIG_INVALID when it cannot be read */
export function readStateFile<T extends z.ZodType>(
  file: string,
  schema: T,
  about: { /** As in "a run file". */ readonly what: string; readonly hint: string },
): z.output<T> | undefined {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    return schema.parse(JSON.parse(text));
  } catch (cause) {
    throw new SallyportError('CONFIG_INVALID', {
      message: `${file} is not ${about.what} of this release`,
      hint: about.hint,
      cause,
    });
  }
}

/** JSON; replaced whole, as {@link replaceFile} does. */
export function writeStateFile(
  file: string,
  value: unknown,
  options: { readonly flush?: boolean } = {},
): void {
  replaceFile(file, `${JSON.stringify(value, null, 2)}\n`, options);
}

/** Replaced whole or not at all, readable by its owner only. With `flush` it is on the disk when this returns. */
export function replaceFile(file: string, text: string, { flush = false } = {}): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const temporary = `${file}.${process.pid}.new`;
  try {
    writeFileSync(temporary, text, { mode: 0o600, flush });
    renameSync(temporary, file);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}
