import type { Entry } from 'ldapts';
import type { LdapSession } from '#kernel/ldap/ldap-session.ts';
import { texts } from './dialect.ts';

/**
 * Active Directory gives 1,500 members at a time, as `member;range=0-1499`, and the last ones as `member;range=1500-*`
 * ([MS-ADTS] 3.1.1.3.1.3.3): this is the entry with all of them.
 */
export async function readAllMembers(session: LdapSession, entry: Entry, attribute: string): Promise<Entry> {
  const prefix = `${attribute.toLowerCase()};range=`;
  const ranged = Object.keys(entry).find((key) => key.toLowerCase().startsWith(prefix));
  if (ranged === undefined) return entry;
  const members = texts(entry, ranged);
  let next = afterRange(ranged);
  while (next !== undefined) {
    const wanted = `${attribute};range=${next}-*`;
    const [more] = await session.find({
      base: entry.dn,
      scope: 'base',
      filter: '(objectClass=*)',
      attributes: [wanted],
    });
    const key = Object.keys(more ?? {}).find((each) => each.toLowerCase().startsWith(prefix));
    const found = more === undefined || key === undefined ? [] : texts(more, key);
    members.push(...found);
    // An empty answer ends it, too: asking for the same again would never.
    next = key === undefined || found.length === 0 ? undefined : afterRange(key);
  }
  return { ...entry, [attribute]: members };
}

/** Where the next range begins; undefined after the last. */
function afterRange(key: string): number | undefined {
  const end = /;range=\d+-(\d+)$/i.exec(key)?.[1];
  return end === undefined ? undefined : Number(end) + 1;
}
