import { parse, YAMLParseError } from 'yaml';
import { SallyportError } from '#core/errors/error.ts';
import type { CommandContext } from '../command.ts';
import { readText } from '../read-text.ts';

/** More than any policy may have. */
const maxBytes = 1_000_000;

/** What a file of YAML or JSON says; `-` is standard input. @throws POLICY_INVALID, naming the place in the file */
export async function readDocument(
  file: string,
  command: Pick<CommandContext, 'cwd' | 'signal'>,
): Promise<unknown> {
  const text = await readText(file, command, maxBytes);
  try {
    // Aliases can make a small file a huge document.
    return parse(text, { maxAliasCount: 100 }) as unknown;
  } catch (cause) {
    if (!(cause instanceof YAMLParseError || cause instanceof ReferenceError)) throw cause;
    throw new SallyportError('POLICY_INVALID', { message: `${file}: ${cause.message}`, cause });
  }
}
