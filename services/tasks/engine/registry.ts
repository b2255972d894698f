import { SallyportError } from '#core/errors/error.ts';
import type { TaskDefinition, TaskRegistry } from './definition.ts';

export const kindRule = /^[a-z][a-z0-9.-]{0,79}$/;

export function taskRegistry(definitions: readonly TaskDefinition[]): TaskRegistry {
  const byKey = new Map<string, TaskDefinition>();
  const newest = new Map<string, TaskDefinition>();
  for (const definition of definitions) {
    const { kind, version } = definition;
    const key = `${kind} ${version}`;
    if (!kindRule.test(kind) || !Number.isInteger(version) || version < 1 || byKey.has(key)) {
      throw new SallyportError('CONFIG_INVALID', { message: `"${key}" names no task, or names one twice` });
    }
    byKey.set(key, definition);
    if (version > (newest.get(kind)?.version ?? 0)) newest.set(kind, definition);
  }
  return {
    newest: (kind) => newest.get(kind),
    find: (kind, version) => byKey.get(`${kind} ${version}`),
    all: definitions,
  };
}
