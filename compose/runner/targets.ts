import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import type { z } from 'zod';
import { SallyportError } from '#core/errors/error.ts';
import { explainIssues } from '#kernel/config/explain-issues.ts';
import { targetsConfig } from '#services/tasks/connectors/targets.ts';

/** As workers take them. */
export type Targets = z.input<typeof targetsConfig>;

/** The text of a targets.yaml. @throws CONFIG_INVALID when it cannot be read */
export function readTargets(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw new SallyportError('CONFIG_INVALID', {
      message: `${file} cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`,
      hint: '--targets names a targets.yaml; docs/CONFIG.md has its fields',
      cause,
    });
  }
}

/** @throws CONFIG_INVALID naming what is wrong */
export function parseTargets(text: string, source: string): Targets {
  let input: unknown;
  try {
    input = parse(text) ?? {};
  } catch (cause) {
    throw new SallyportError('CONFIG_INVALID', { message: `${source} is not YAML`, cause });
  }
  const result = targetsConfig.safeParse(input, { reportInput: false });
  // As it was written: workers read it again, with their own defaults.
  if (result.success) return input as Targets;
  throw new SallyportError('CONFIG_INVALID', {
    message: explainIssues(targetsConfig, input, result.error.issues, [{ name: source, values: input }]),
    hint: 'docs/CONFIG.md has every field',
  });
}
