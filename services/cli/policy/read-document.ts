import { readFileSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { parse, YAMLParseError } from 'yaml';
import { SallyportError } from '#core/errors/error.ts';
import type { CommandContext } from '../command.ts';

/** More than any policy may have. */
const maxBytes = 1_000_000;

/** What a file of YAML or JSON says; `-` is standard input. @throws POLICY_INVALID, naming the place in the file */
export function readDocument(file: string, { cwd }: Pick<CommandContext, 'cwd'>): unknown {
  const path = file === '-' ? 0 : resolve(cwd, file);
  if (typeof path === 'string' && statSync(path).size > maxBytes) {
    throw new SallyportError('POLICY_INVALID', { message: `${file} is larger than ${maxBytes} bytes` });
  }
  try {
    // Aliases can make a small file a huge document.
    return parse(readFileSync(path, 'utf8'), { maxAliasCount: 100 }) as unknown;
  } catch (cause) {
    if (!(cause instanceof YAMLParseError || cause instanceof ReferenceError)) throw cause;
    throw new SallyportError('POLICY_INVALID', { message: `${file}: ${cause.message}`, cause });
  }
}
