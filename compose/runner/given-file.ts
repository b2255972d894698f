import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import type { z } from 'zod';
import { SallyportError } from '#core/errors/error.ts';
import { explainIssues } from '#kernel/config/explain-issues.ts';

/** The text of a file that processes get a part of their configuration from. @throws CONFIG_INVALID when it cannot be read */
export function readGiven(file: string, option: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw new SallyportError('CONFIG_INVALID', {
      message: `${file} cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`,
      hint: `${option} names a file in YAML; docs/CONFIG.md has its fields`,
      cause,
    });
  }
}

/** As it was written: processes read it again, with their own defaults. @throws CONFIG_INVALID naming what is wrong */
export function parseGiven<S extends z.ZodType>(schema: S, text: string, source: string): z.input<S> {
  let input: unknown;
  try {
    input = parse(text) ?? {};
  } catch (cause) {
    throw new SallyportError('CONFIG_INVALID', { message: `${source} is not YAML`, cause });
  }
  const result = schema.safeParse(input, { reportInput: false });
  if (result.success) return input as z.input<S>;
  throw new SallyportError('CONFIG_INVALID', {
    message: explainIssues(schema, input, result.error.issues, [{ name: source, values: input }]),
    hint: 'docs/CONFIG.md has every field',
  });
}
