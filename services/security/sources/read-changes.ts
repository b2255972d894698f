import { AndFilter, EqualityFilter, type Filter, FilterParser, OrFilter } from 'ldapts';
import type { Hosts } from '#kernel/ldap/hosts.ts';
import type { LdapSession } from '#kernel/ldap/ldap-session.ts';
import type { UserEntry } from './entries.ts';
import {
  assertGone,
  contextStamp,
  gatherGroups,
  gatherUsers,
  idsPerSearch,
  listIds,
  type ReadContext,
  readContext,
} from './read-directory.ts';
import type { Settings } from './settings.ts';
import { Gathering, type Known, type Snapshot, type Stamp } from './snapshot.ts';
import type { SourceAccess } from './source-store.ts';

/** Milliseconds by which replicas of a directory may be behind each other: what is that old is read again. */
const behindMs = 5000;

export interface ChangesSince {
  readonly stamp: Stamp;
  /** Look for entries that are gone, also where the directory does not tell whether there can be any. */
  readonly list: boolean;
  /** Is asked when there is something to compare with. */
  readonly known: () => Promise<Known>;
}

export interface Changes {
  /** Undefined: nothing has changed. */
  readonly snapshot: Snapshot | undefined;
  readonly stamp: Stamp;
  /** It was looked for entries that are gone. */
  readonly listed: boolean;
}

/** Whether changes can be counted from there: the numbers of one domain controller say nothing at another. */
export const canCount = (stamp: Stamp | undefined, { dialect }: ReadContext): stamp is Stamp =>
  stamp !== undefined && stamp.last !== '' && stamp.server === dialect.server;

/** Reads what has changed. @throws SOURCE_UNREACHABLE, SOURCE_INCOMPLETE, SOURCE_REFUSED */
export async function readChanges(context: ReadContext, since: ChangesSince): Promise<Changes> {
  const { stamp: before } = since;
  const now = await contextStamp(context);
  const counted = now.context !== '';
  // Whatever is written, a deletion too, changes it.
  if (counted && now.context === before.context && !since.list) {
    return { snapshot: undefined, stamp: before, listed: false };
  }
  const gathered = new Gathering();
  gathered.met(before.last);
  const changed = changedSince(context, before.last);
  await gatherUsers(context, gathered, and(context.as.userFilter, changed));
  await gatherGroups(context, gathered, and(context.as.groupFilter, changed));
  const list = since.list || counted;
  const [ids, known] = await Promise.all([list ? listIds(context) : undefined, since.known()]);
  const users = new Map<string, UserEntry>(known.users);
  for (const [id, user] of gathered.users) users.set(id, user);
  await gatherGroupsOf(context, gathered, moved(gathered.users, known));
  const groups = new Map(known.groups);
  for (const [id, group] of gathered.groups(known)) groups.set(id, group);
  if (ids !== undefined) {
    const missing = [...users.keys()].filter((id) => !ids.users.has(id));
    await assertGone(context, missing);
    for (const id of missing) users.delete(id);
    for (const id of groups.keys()) if (!ids.groups.has(id)) groups.delete(id);
  }
  const { unreadable, problems, last } = gathered;
  const stamp = { ...now, last };
  return { snapshot: { users, groups, unreadable, problems, stamp }, stamp, listed: list };
}

/** Milliseconds after which a directory that does not tell of deletions is looked through for them. */
export const listEveryMs = 600_000;

export interface LastLook {
  readonly stamp: Stamp;
  /** When everything was last read, and when it was last looked who is gone: database time. */
  readonly fullMs: number | null;
  readonly listedMs: number | null;
}

export const isFullDue = ({ fullEverySeconds }: Settings, fullMs: number | null, nowMs: number): boolean =>
  fullMs === null || nowMs - fullMs >= fullEverySeconds * 1000;

/** Whether there is surely nothing to do: the directory says by its contextCSN that nothing was written to it. */
export async function isUnchanged(
  hosts: Hosts,
  { settings, account }: SourceAccess,
  { stamp, fullMs }: LastLook,
  nowMs: number,
  signal: AbortSignal,
): Promise<boolean> {
  if (stamp.context === '' || isFullDue(settings, fullMs, nowMs)) return false;
  const look = async (session: LdapSession): Promise<boolean> => {
    const context = await readContext(session, settings, () => {});
    return canCount(stamp, context) && (await contextStamp(context)).context === stamp.context;
  };
  return hosts.at(settings, account, look, signal);
}

function changedSince({ dialect }: ReadContext, last: string): string {
  const { changeAttribute } = dialect;
  if (changeAttribute === 'uSNChanged') return `(uSNChanged>=${BigInt(last) + 1n})`;
  return `(entryCSN>=${earlier(last)})`;
}

/** A CSN that is `behindMs` before this one: `20261127130000.123456Z#000000#001#000000`. */
export function earlier(csn: string): string {
  const [, y, mo, d, h, mi, s] = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)/.exec(csn) ?? [];
  const ms = Date.UTC(Number(y), Number(mo) - 1, Number(d), Number(h), Number(mi), Number(s)) - behindMs;
  const time = new Date(ms).toISOString().replace(/[-:T]/g, '').slice(0, 14);
  return `${time}.000000Z#000000#000#000000`;
}

/** Users who are new, or elsewhere: groups may have named them before they were there. */
function moved(read: ReadonlyMap<string, UserEntry>, known: Known): UserEntry[] {
  return [...read.values()].filter(({ id, dn, name }) => {
    const before = known.users.get(id);
    return before?.dn !== dn || before.name !== name;
  });
}

async function gatherGroupsOf(
  context: ReadContext,
  gathered: Gathering,
  users: readonly UserEntry[],
): Promise<void> {
  const { member, groupFilter } = context.as;
  const byName = member.toLowerCase() === 'memberuid';
  for (let at = 0; at < users.length; at += idsPerSearch) {
    const filters = users
      .slice(at, at + idsPerSearch)
      .map(({ dn, name }) => new EqualityFilter({ attribute: member, value: byName ? name : dn }));
    await gatherGroups(context, gathered, and(groupFilter, new OrFilter({ filters })));
  }
}

function and(filter: string, other: string | Filter): Filter {
  const parsed = typeof other === 'string' ? FilterParser.parseString(other) : other;
  return new AndFilter({ filters: [FilterParser.parseString(filter), parsed] });
}
