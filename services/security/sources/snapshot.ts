import { comparableDn, type KnownUser, type NamedGroup, type UserEntry } from './entries.ts';
import type { GroupEntry } from './membership.ts';

/** What a directory holds, as far as a source looks at it. */
export interface Snapshot {
  /** By id. */
  readonly users: ReadonlyMap<string, UserEntry>;
  readonly groups: ReadonlyMap<string, GroupEntry>;
  /** Ids of entries that are there, but cannot be taken. */
  readonly unreadable: ReadonlySet<string>;
  readonly problems: readonly string[];
  /** As of which change it is. */
  readonly stamp: Stamp;
}

/** What the database has of it. */
export interface Known {
  readonly users: ReadonlyMap<string, KnownUser>;
  readonly groups: ReadonlyMap<string, GroupEntry>;
}

/** How far changes have been read. */
export interface Stamp {
  /** As Dialect.server. */
  readonly server: string;
  /** The highest entryCSN or uSNChanged that was met; empty: none. */
  readonly last: string;
  /** contextCSN of the base, where the directory has it: it rises with a deletion, too. */
  readonly context: string;
}

/** Gathers what is read, and finds out whom groups mean. */
export class Gathering {
  readonly users = new Map<string, UserEntry>();
  readonly #named = new Map<string, NamedGroup>();
  readonly unreadable = new Set<string>();
  readonly problems: string[] = [];
  #last = '';

  user(read: UserEntry | string, id: string | undefined): void {
    if (typeof read !== 'string') this.users.set(read.id, read);
    else this.#problem(read, id);
  }

  group(read: NamedGroup | string, id: string | undefined): void {
    if (typeof read !== 'string') this.#named.set(read.id, read);
    else this.#problem(read, id);
  }

  /** Notes a change number that was met. */
  met(change: string | undefined): void {
    if (change !== undefined && isLater(change, this.#last)) this.#last = change;
  }

  get last(): string {
    return this.#last;
  }

  get groupCount(): number {
    return this.#named.size;
  }

  /**
   * The groups with their members' ids. What a member's DN names is looked for among what was read, then in `before`.
   * Where two have one name, it is the one's that had it: whoever may make groups somewhere must not widen another.
   */
  groups(before: Known): Map<string, GroupEntry> {
    // Whom a DN means is found out only if there is one to ask about.
    if (this.#named.size === 0) return new Map();
    const ids = new Map<string, string>();
    const byLogin = new Map<string, string>();
    for (const each of [before.groups, before.users]) {
      for (const { id, dn } of each.values()) ids.set(comparableDn(dn), id);
    }
    for (const each of [this.#named, this.users]) {
      for (const { id, dn } of each.values()) ids.set(comparableDn(dn), id);
    }
    for (const each of [before.users, this.users]) {
      for (const { id, name } of each.values()) byLogin.set(name, id);
    }
    const groups = new Map<string, GroupEntry>();
    for (const { id, name, dn, members } of this.#named.values()) {
      const found = members
        .map((each) => (each.includes('=') ? ids.get(comparableDn(each)) : byLogin.get(each.toLowerCase())))
        .filter((each) => each !== undefined);
      groups.set(id, { id, name, dn, members: Buffer.from(found.join(''), 'hex') });
    }
    return groups;
  }

  #problem(text: string, id: string | undefined): void {
    this.problems.push(text);
    if (id !== undefined) this.unreadable.add(id);
  }
}

/** Groups of which each name is one's only. */
export function withoutDoubles(
  groups: ReadonlyMap<string, GroupEntry>,
  before: ReadonlyMap<string, GroupEntry>,
  problems: string[],
): Map<string, GroupEntry> {
  const holder = new Map<string, GroupEntry>();
  for (const group of groups.values()) {
    const other = holder.get(group.name);
    const first = other === undefined || before.get(group.id)?.name === group.name;
    if (first) holder.set(group.name, group);
    if (other === undefined) continue;
    problems.push(`${(first ? other : group).dn} has the name ${group.name}, which another group has, too`);
  }
  return new Map([...holder.values()].map((group) => [group.id, group]));
}

/** Numbers of Active Directory by value, CSNs by text (their parts are of fixed width). */
export function isLater(change: string, than: string): boolean {
  if (than === '') return change !== '';
  if (/^\d+$/.test(change) && /^\d+$/.test(than)) return BigInt(change) > BigInt(than);
  return change > than;
}
