/** Where two documents differ, for people: `rules.staff.groups`, what stood there and what stands there now. */
export interface FieldChange {
  readonly path: string;
  /** Undefined: it was not there. */
  readonly before: unknown;
  /** Undefined: it is there no more. */
  readonly after: unknown;
}

/** Differences in the order of the documents. Lists of named things are compared by name, other lists as a whole. */
export function changedFields(before: unknown, after: unknown, path = ''): FieldChange[] {
  const [had, has] = [byName(before), byName(after)];
  if (had === undefined || has === undefined) {
    return JSON.stringify(before) === JSON.stringify(after) ? [] : [{ path, before, after }];
  }
  return [...new Set([...had.keys(), ...has.keys()])].flatMap((name) =>
    changedFields(had.get(name), has.get(name), path === '' ? name : `${path}.${name}`),
  );
}

/** The parts of an object, or of a list in which each has a name of its own; undefined: it has none. */
function byName(value: unknown): ReadonlyMap<string, unknown> | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  if (!Array.isArray(value)) return new Map(Object.entries(value));
  const names = value.map((each: unknown) =>
    typeof each === 'object' && each !== null && 'name' in each ? String(each.name) : undefined,
  );
  if (names.length === 0 || names.includes(undefined) || new Set(names).size < names.length) return undefined;
  return new Map(value.map((each, n) => [names[n] ?? '', each]));
}
