import { z } from 'zod';
import { closest } from '#kernel/config/explain-issues.ts';
import { meshSchema } from './schema.ts';

/** The path of each knob: `health.interval`. */
const knobs: readonly string[] = pathsOf(meshSchema, []);

function pathsOf(schema: unknown, before: readonly string[]): string[] {
  if (!(schema instanceof z.ZodObject)) return [before.join('.')];
  return Object.entries(schema.shape).flatMap(([name, inner]) => pathsOf(inner, [...before, name]));
}

/**
 * For fields that are no knob where they stand: knobs of that name, or nearly, in other places. Undefined
 * when there are none.
 */
export function knobHint(issues: readonly z.core.$ZodIssue[]): string | undefined {
  const meant = issues.flatMap((issue) =>
    issue.code === 'unrecognized_keys' ? issue.keys.flatMap(knobsLike) : [],
  );
  return meant.length === 0
    ? undefined
    : `there is ${[...new Set(meant)].slice(0, 5).join(', ')}; envoy/mesh.yaml has every knob with its unit and range`;
}

export function knobsLike(key: string): string[] {
  const last = (path: string): string => path.split('.').at(-1) ?? path;
  const name = closest(key, [...new Set(knobs.flatMap((path) => [last(path), path.split('.')[0] ?? path]))]);
  return name === undefined ? [] : knobs.filter((path) => last(path) === name || path.startsWith(`${name}.`));
}
