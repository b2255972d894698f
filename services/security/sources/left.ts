import type { changedGroups } from './membership.ts';
import type { PlannedChange } from './plan.ts';
import type { Known, Stamp } from './snapshot.ts';

/**
 * What the database has of a source, as a synchronisation has left it, for the next one in the same process: to read
 * fifty thousand users takes longer than to change a hundred.
 */
export interface Left {
  /** As `leftAs`: it is true while the source is as it was then. */
  readonly as: string;
  readonly known: Known;
}

/**
 * How far a source was read. Every synchronisation that changes something moves one of these; one that did not come to
 * its end has left `listedMs` null.
 */
export interface ReadSoFar {
  readonly stamp: Stamp | undefined;
  /** Database time, whole milliseconds. */
  readonly fullMs: number | null;
  readonly listedMs: number | null;
}

export const leftAs = (source: string, { stamp, fullMs, listedMs }: ReadSoFar): string =>
  JSON.stringify([source, stamp?.server, stamp?.last, stamp?.context, fullMs, listedMs]);

/** What the database has when these changes were made, without exception. */
export function knownAfter(
  known: Known,
  changes: readonly PlannedChange[],
  { gone, changed }: ReturnType<typeof changedGroups>,
): Known {
  const [users, groups] = [new Map(known.users), new Map(known.groups)];
  for (const { known: before, wanted } of changes) {
    if (wanted !== undefined) users.set(wanted.id, wanted);
    else if (before !== undefined) users.delete(before.id);
  }
  for (const id of gone) groups.delete(id);
  for (const group of changed) groups.set(group.id, group);
  return { users, groups };
}
