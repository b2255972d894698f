import { AndFilter, type Entry, type Filter, FilterParser, OrFilter } from 'ldapts';
import { SallyportError } from '#core/errors/error.ts';
import type { LdapSession } from '#kernel/ldap/ldap-session.ts';
import { type Dialect, dialectOf, idFilter, idOf, texts } from './dialect.ts';
import { readGroup, readUser } from './entries.ts';
import { readAllMembers } from './member-ranges.ts';
import { type Effective, effective, type Settings } from './settings.ts';
import type { Known, Snapshot } from './snapshot.ts';
import { Gathering } from './snapshot.ts';

/** Told as it goes. */
export type ReadProgress = (at: { readonly users: number; readonly groups: number }) => void;

export interface ReadContext {
  readonly session: LdapSession;
  readonly settings: Settings;
  readonly dialect: Dialect;
  readonly as: Effective;
  readonly progress: ReadProgress;
}

/** Groups are large: fewer of them make a page. */
const groupsPerPage = 100;
/** Ids are small: so many times more make a page. */
const idsPerEntry = 10;
/** Ids in one filter. */
export const idsPerSearch = 50;

export async function readContext(
  session: LdapSession,
  settings: Settings,
  progress: ReadProgress,
): Promise<ReadContext> {
  const dialect = await dialectOf(session);
  return { session, settings, dialect, as: effective(settings, dialect), progress };
}

/** Reads everything. @throws SOURCE_UNREACHABLE, SOURCE_INCOMPLETE, SOURCE_REFUSED */
export async function readAll(context: ReadContext, known: Known): Promise<Snapshot> {
  const stamp = await contextStamp(context);
  const gathered = new Gathering();
  await gatherUsers(context, gathered, context.as.userFilter);
  await gatherGroups(context, gathered, context.as.groupFilter);
  const { users, unreadable, problems } = gathered;
  const missing = [...known.users.keys()].filter((id) => !users.has(id) && !unreadable.has(id));
  await assertGone(context, missing);
  const groups = gathered.groups({ users: new Map(), groups: new Map() });
  return { users, groups, unreadable, problems, stamp: { ...stamp, last: gathered.last } };
}

/** Where changes are counted from; read before anything else, so that what changes meanwhile is read again. */
export async function contextStamp({ session, settings, dialect }: ReadContext) {
  const found = dialect.activeDirectory ? [] : await contextCsn(session, settings.usersBase);
  return { server: dialect.server, context: found.sort().join(' ') };
}

/** It stands at the top of the directory's part, which the base may lie below. */
async function contextCsn(session: LdapSession, base: string): Promise<string[]> {
  const root = await session.find({
    base: '',
    scope: 'base',
    filter: '(objectClass=*)',
    attributes: ['namingContexts'],
  });
  const lower = base.toLowerCase();
  const top = root
    .flatMap((entry) => texts(entry, 'namingContexts'))
    .filter((each) => lower.endsWith(each.toLowerCase()))
    .sort((a, b) => b.length - a.length)[0];
  if (top === undefined) return [];
  const found = await session.find({
    base: top,
    scope: 'base',
    filter: '(objectClass=*)',
    attributes: ['contextCSN'],
  });
  return found.flatMap((entry) => texts(entry, 'contextCSN'));
}

export async function gatherUsers(
  context: ReadContext,
  gathered: Gathering,
  filter: string | Filter,
): Promise<void> {
  const { session, settings, dialect, as } = context;
  const attributes = [dialect.idAttribute, dialect.changeAttribute, as.login, ...as.display, as.disabled];
  const search = { base: settings.usersBase, filter, attributes, pageSize: settings.pageSize };
  for await (const { entries, referrals } of session.pages(search)) {
    for (const entry of entries) {
      gathered.user(readUser(entry, dialect, as), idOf(entry, dialect));
      gathered.met(changeOf(entry, dialect));
    }
    noteReferrals(gathered, referrals);
    context.progress({ users: gathered.users.size, groups: gathered.groupCount });
  }
}

export async function gatherGroups(
  context: ReadContext,
  gathered: Gathering,
  filter: string | Filter,
): Promise<void> {
  const { session, settings, dialect, as } = context;
  if (settings.groupsBase === '') return;
  const attributes = [dialect.idAttribute, dialect.changeAttribute, as.groupName, as.member];
  const pageSize = Math.min(settings.pageSize, groupsPerPage);
  for await (const page of session.pages({ base: settings.groupsBase, filter, attributes, pageSize })) {
    for (const entry of page.entries) {
      const whole = await readAllMembers(session, entry, as.member);
      gathered.group(readGroup(whole, dialect, as), idOf(entry, dialect));
      gathered.met(changeOf(entry, dialect));
    }
    noteReferrals(gathered, page.referrals);
    context.progress({ users: gathered.users.size, groups: gathered.groupCount });
  }
}

const changeOf = (entry: Entry, { changeAttribute }: Dialect): string | undefined =>
  texts(entry, changeAttribute)[0];

function noteReferrals(gathered: Gathering, referrals: readonly string[]): void {
  for (const each of referrals) {
    const problem = `${each} has more, and is not asked: add it as a source of its own`;
    // A directory may tell of it on each page.
    if (!gathered.problems.includes(problem)) gathered.problems.push(problem);
  }
}

/** The ids of all users and groups that are there. */
export async function listIds({ session, settings, dialect, as }: ReadContext) {
  const ids = async (base: string, filter: string): Promise<Set<string>> => {
    const found = new Set<string>();
    if (base === '') return found;
    const pageSize = Math.min(settings.pageSize * idsPerEntry, 5000);
    const search = { base, filter, attributes: [dialect.idAttribute], pageSize };
    for await (const { entries } of session.pages(search)) {
      for (const entry of entries) {
        const id = idOf(entry, dialect);
        if (id !== undefined) found.add(id);
      }
    }
    return found;
  };
  return {
    users: await ids(settings.usersBase, as.userFilter),
    groups: await ids(settings.groupsBase, as.groupFilter),
  };
}

/**
 * A list that ends early would look like so many users who are gone: each is asked for by its id before that is
 * believed.
 * @throws SOURCE_INCOMPLETE
 */
export async function assertGone(context: ReadContext, missing: readonly string[]): Promise<void> {
  const { session, settings, dialect, as } = context;
  for (let at = 0; at < missing.length; at += idsPerSearch) {
    const filters = missing.slice(at, at + idsPerSearch).map((id) => idFilter(dialect, id));
    const there = await session.find({
      base: settings.usersBase,
      filter: both(as.userFilter, new OrFilter({ filters })),
      attributes: [dialect.idAttribute],
    });
    if (there.length === 0) continue;
    throw new SallyportError('SOURCE_INCOMPLETE', {
      message: `${session.url} left out ${there[0]?.dn}, which is there, from the list of users`,
    });
  }
}

function both(filter: string, and: Filter): Filter {
  return new AndFilter({ filters: [FilterParser.parseString(filter), and] });
}
