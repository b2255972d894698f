/** A group with whoever it names, by their ids. */
export interface GroupEntry {
  readonly id: string;
  readonly name: string;
  readonly dn: string;
  /** Users and groups, 16 bytes each. */
  readonly members: Buffer;
}

const idBytes = 16;

/** Each id of a packed list, as 32 hexadecimal digits. */
export function* idsIn(members: Buffer): Generator<string> {
  for (let at = 0; at + idBytes <= members.length; at += idBytes)
    yield members.toString('hex', at, at + idBytes);
}

/**
 * Tells in which groups a user is, by way of other groups, too: groups may hold each other in circles. The names are
 * sorted, each once.
 */
export function membership(groups: Iterable<GroupEntry>): (userId: string) => string[] {
  const names = new Map<string, string>();
  /** Who is in a group → groups that name it. */
  const holders = new Map<string, string[]>();
  for (const { id, name, members } of groups) {
    names.set(id, name);
    for (const member of idsIn(members)) {
      const known = holders.get(member);
      if (known === undefined) holders.set(member, [id]);
      else known.push(id);
    }
  }
  const above = new Map<string, ReadonlySet<string>>();
  const aboveOf = (group: string): ReadonlySet<string> => {
    const known = above.get(group);
    if (known !== undefined) return known;
    const found = new Set([group]);
    // A set grows while it is gone through, and each is met once.
    for (const each of found) for (const holder of holders.get(each) ?? []) found.add(holder);
    above.set(group, found);
    return found;
  };
  return (userId) => {
    const all = new Set<string>();
    for (const group of holders.get(userId) ?? []) {
      for (const each of aboveOf(group)) all.add(names.get(each) ?? '');
    }
    return [...all].sort();
  };
}

/** What of the groups is different: which are gone, and which are new or have another name or other members. */
export function changedGroups(
  before: ReadonlyMap<string, GroupEntry>,
  now: ReadonlyMap<string, GroupEntry>,
): { readonly gone: readonly string[]; readonly changed: readonly GroupEntry[] } {
  return {
    gone: [...before.keys()].filter((id) => !now.has(id)),
    changed: [...now.values()].filter((group) => {
      const old = before.get(group.id);
      return !(old && old.name === group.name && old.dn === group.dn && old.members.equals(group.members));
    }),
  };
}

/** Ids of whoever is in these groups, or was, by way of others, too. */
export function beneath(
  ids: readonly string[],
  ...each: readonly ReadonlyMap<string, GroupEntry>[]
): Set<string> {
  const found = new Set(ids);
  // A set grows while it is gone through.
  for (const id of found) {
    for (const groups of each) {
      for (const member of idsIn(groups.get(id)?.members ?? Buffer.alloc(0))) found.add(member);
    }
  }
  return found;
}
