import type { Entry } from 'ldapts';
import { SallyportError } from '#core/errors/error.ts';
import { atHost } from '#kernel/ldap/hosts.ts';
import type { LdapSession } from '#kernel/ldap/ldap-session.ts';
import { type Clock, elapsed, instant } from '#kernel/time/clock.ts';
import { dialectOf } from './dialect.ts';
import { readGroup, readUser } from './entries.ts';
import { effective } from './settings.ts';
import type { SourceAccess } from './source-store.ts';

/** So many users and groups are shown. */
const shown = 5;

/** How a host answers, for administrators; never rejects because of the host. */
export async function testHost(source: SourceAccess, url: string, clock: Clock, signal: AbortSignal) {
  const begun = instant(clock);
  const answer = { url, ok: false, error: '', kind: '', users: [], groups: [], problems: [] };
  const ms = (): number => Math.round(elapsed(clock, begun));
  try {
    const seen = await atHost(
      source.settings,
      url,
      source.account,
      (session) => look(source, session),
      signal,
    );
    return { ...answer, ...seen, ok: true, ms: ms() };
  } catch (error) {
    const { reason, message } = SallyportError.from(error);
    return { ...answer, error: `${reason}: ${message}`, ms: ms() };
  }
}

async function look({ settings }: SourceAccess, session: LdapSession) {
  const dialect = await dialectOf(session);
  const as = effective(settings, dialect);
  const { idAttribute, changeAttribute } = dialect;
  const userAttributes = [idAttribute, as.login, ...as.display, as.disabled];
  const users = await firstOf(session, settings.usersBase, as.userFilter, userAttributes);
  const groups =
    settings.groupsBase === ''
      ? []
      : await firstOf(session, settings.groupsBase, as.groupFilter, [idAttribute, as.groupName]);
  const read = [
    ...users.map((entry) => readUser(entry, dialect, as)),
    ...groups.map((entry) => readGroup(entry, dialect, as)),
  ];
  const names = read.slice(0, users.length).flatMap((each) => (typeof each === 'string' ? [] : [each.name]));
  const groupNames = read
    .slice(users.length)
    .flatMap((each) => (typeof each === 'string' ? [] : [each.name]));
  const problems = read.filter((each) => typeof each === 'string');
  if (users.length === 0) problems.push(`no users: nothing below ${settings.usersBase} is ${as.userFilter}`);
  return {
    kind: `${dialect.vendor}, changes by ${changeAttribute}`,
    users: names,
    groups: groupNames,
    problems,
  };
}

async function firstOf(
  session: LdapSession,
  base: string,
  filter: string,
  attributes: readonly string[],
): Promise<readonly Entry[]> {
  for await (const { entries } of session.pages({ base, filter, attributes, pageSize: shown }))
    return entries;
  return [];
}
