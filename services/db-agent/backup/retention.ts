import type { Manifest } from './documents.ts';

export interface Retention {
  /** Hours for which every snapshot, and the log between them, is kept. */
  readonly keepHours: number;
  /** Days for which the last snapshot of each day is kept, without its log. */
  readonly keepDays: number;
}

export interface Kept {
  /** Snapshots to remove, oldest first. */
  readonly remove: readonly string[];
  /** The log is needed from this snapshot on; undefined: there is none. */
  readonly logFrom: string | undefined;
}

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

/**
 * What may go. The newest proven snapshot stays whatever its age, with all after it: what is not proven may turn out to
 * be nothing.
 * @param snapshots oldest first
 */
export function retain(
  snapshots: readonly (Pick<Manifest, 'id' | 'takenAtMs'> & { readonly proven: boolean })[],
  { keepHours, keepDays }: Retention,
  nowMs: number,
): Kept {
  const lastProven = snapshots.findLastIndex(({ proven }) => proven);
  const stays = (index: number, at: number): boolean =>
    at > nowMs - keepHours * hourMs || (lastProven >= 0 ? index >= lastProven : true);
  const lastOfDay = new Map(
    snapshots.filter(({ proven }) => proven).map(({ id, takenAtMs }) => [Math.floor(takenAtMs / dayMs), id]),
  );
  const daily = new Set(lastOfDay.values());
  const remove = snapshots.filter(
    ({ id, takenAtMs }, index) =>
      !stays(index, takenAtMs) && !(daily.has(id) && takenAtMs > nowMs - keepDays * dayMs),
  );
  return {
    remove: remove.map(({ id }) => id),
    logFrom: snapshots.find(({ takenAtMs }, index) => stays(index, takenAtMs))?.id,
  };
}
