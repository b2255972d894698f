import type { Entry } from 'ldapts';
import { canonicalUser } from '../directory/users.ts';
import { type Dialect, idOf, texts, values } from './dialect.ts';
import { groupName, loginName, maxName } from './names.ts';
import type { Effective } from './settings.ts';

/** A user as a directory has it. */
export interface UserEntry {
  /** 32 hexadecimal digits. */
  readonly id: string;
  /** Canonical. */
  readonly name: string;
  readonly dn: string;
  readonly displayName: string;
  readonly disabled: boolean;
}

/** A user as the database has it from this source. */
export interface KnownUser extends UserEntry {
  /** JSON array, sorted. */
  readonly groups: string;
}

/** A group as a directory has it, with whoever it names. */
export interface NamedGroup {
  readonly id: string;
  readonly name: string;
  readonly dn: string;
  /** DNs; of a posixGroup names to log in with. */
  readonly members: readonly string[];
}

const maxDn = 1024;
/** Bit ACCOUNTDISABLE of userAccountControl ([MS-ADTS] 2.2.16). */
const accountDisabled = 2;

/** The user, or why the entry cannot be taken. */
export function readUser(entry: Entry, dialect: Dialect, as: Effective): UserEntry | string {
  const id = idOf(entry, dialect);
  if (id === undefined) return `${entry.dn} has no ${dialect.idAttribute} that this account may read`;
  const names = values(entry, as.login);
  const [name] = names;
  if (names.length !== 1) return `${entry.dn} has ${names.length} values of ${as.login}, not 1`;
  if (typeof name !== 'string' || !loginName.test(name)) {
    return `${entry.dn} has a ${as.login} that cannot be a name to log in with`;
  }
  const canonical = canonicalUser(name);
  if (canonical.length > maxName || entry.dn.length > maxDn) return `${entry.dn} has too long a name`;
  const shown = as.display.flatMap((each) => texts(entry, each))[0] ?? name;
  // It ends up on terminals.
  const displayName = shown.replace(/\p{Cc}/gu, ' ');
  return {
    id,
    name: canonical,
    dn: entry.dn,
    displayName: [...displayName].slice(0, 256).join(''),
    disabled: isDisabled(entry, as),
  };
}

function isDisabled(entry: Entry, { disabled, disabledValues }: Effective): boolean {
  const said = texts(entry, disabled);
  if (disabledValues.length > 0) {
    return said.some((each) => disabledValues.some((value) => value.toLowerCase() === each.toLowerCase()));
  }
  if (disabled.toLowerCase() !== 'useraccountcontrol') return values(entry, disabled).length > 0;
  return said.some((each) => (Number(each) & accountDisabled) !== 0);
}

/** The group, or why the entry cannot be taken. */
export function readGroup(entry: Entry, dialect: Dialect, as: Effective): NamedGroup | string {
  const id = idOf(entry, dialect);
  if (id === undefined) return `${entry.dn} has no ${dialect.idAttribute} that this account may read`;
  const [name] = texts(entry, as.groupName);
  if (name === undefined || !groupName.test(name)) return `${entry.dn} has no usable ${as.groupName}`;
  if (name.length > maxName || entry.dn.length > maxDn) return `${entry.dn} has too long a name`;
  return { id, name, dn: entry.dn, members: texts(entry, as.member) };
}

/** A DN in the one spelling by which DNs are compared here. */
export function comparableDn(dn: string): string {
  const lower = dn.toLowerCase();
  // Nearly none has spaces there, and there are many.
  return /\s[,=+]|[,=+]\s/.test(lower) ? lower.replace(/\s*([,=+])\s*/g, '$1') : lower;
}
