/**
 * GTID sets as MySQL prints them: `uuid[:tag]:1-5:7,uuid:…` (manual, "GTID Sets"). Numbers stay below 2^53.
 */
type Interval = readonly [first: number, last: number];
export type GtidSet = ReadonlyMap<string, readonly Interval[]>;

/** @throws RangeError if `text` is not a GTID set. */
export function parseGtidSet(text: string): GtidSet {
  const sets = new Map<string, Interval[]>();
  for (const part of text.replace(/\s/g, '').split(',')) {
    if (part === '') continue;
    const [uuid = '', ...rest] = part.toLowerCase().split(':');
    let source = uuid;
    for (const piece of rest) {
      const match = /^(\d+)(?:-(\d+))?$/.exec(piece);
      if (match) {
        const first = Number(match[1]);
        const last = Number(match[2] ?? match[1]);
        const intervals = sets.get(source) ?? [];
        intervals.push([first, last]);
        sets.set(source, intervals);
      } else if (/^[a-z_][a-z0-9_]*$/.test(piece)) {
        source = `${uuid}:${piece}`;
      } else {
        throw new RangeError(`not a GTID set: ${text.slice(0, 100)}`);
      }
    }
  }
  return new Map([...sets].map(([source, intervals]) => [source, merge(intervals)]));
}

function merge(intervals: readonly Interval[]): Interval[] {
  const merged: Interval[] = [];
  for (const [first, last] of [...intervals].sort((a, b) => a[0] - b[0])) {
    const before = merged.at(-1);
    if (before && first <= before[1] + 1) merged[merged.length - 1] = [before[0], Math.max(before[1], last)];
    else merged.push([first, last]);
  }
  return merged;
}

/** Whether everything in `small` is in `large`. */
export function includes(large: GtidSet, small: GtidSet): boolean {
  for (const [source, intervals] of small) {
    const others = large.get(source) ?? [];
    // Both are merged, so an interval that is included lies within a single one.
    if (!intervals.every(([first, last]) => others.some((o) => o[0] <= first && last <= o[1]))) return false;
  }
  return true;
}

export const isEmpty = (set: GtidSet): boolean => set.size === 0;

/** What is in `a` and not in `b`. */
export function difference(a: GtidSet, b: GtidSet): GtidSet {
  const left = new Map<string, Interval[]>();
  for (const [source, intervals] of a) {
    const rest: Interval[] = [];
    for (const [first, last] of intervals) {
      let from = first;
      for (const [low, high] of b.get(source) ?? []) {
        if (high < from || low > last) continue;
        if (low > from) rest.push([from, low - 1]);
        from = high + 1;
      }
      if (from <= last) rest.push([from, last]);
    }
    if (rest.length > 0) left.set(source, rest);
  }
  return left;
}

/** How many transactions it names. */
export function sizeOf(set: GtidSet): number {
  let size = 0;
  for (const intervals of set.values()) for (const [first, last] of intervals) size += last - first + 1;
  return size;
}

/** As MySQL prints it. */
export function formatGtidSet(set: GtidSet): string {
  const one = ([first, last]: Interval): string => (first === last ? `${first}` : `${first}-${last}`);
  return [...set].map(([source, intervals]) => [source, ...intervals.map(one)].join(':')).join(',');
}
