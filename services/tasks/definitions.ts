import type { TaskDefinition } from './engine/definition.ts';

/** The kinds of tasks that this release's workers run, in all versions with which something may have begun. */
export const definitions: readonly TaskDefinition[] = [];
