import { type Entry, EqualityFilter, type Filter } from 'ldapts';
import type { LdapSession } from '#kernel/ldap/ldap-session.ts';

/** What kind of directory it is, and so how entries are named and changes found. */
export interface Dialect {
  readonly vendor: string;
  readonly activeDirectory: boolean;
  /** Attribute that stays with an entry through renames: 16 bytes. */
  readonly idAttribute: 'entryUUID' | 'objectGUID';
  /** Attribute that rises with each change of an entry. */
  readonly changeAttribute: 'entryCSN' | 'uSNChanged';
  /**
   * Of Active Directory: which controller this is, for its numbers are its own. Else empty: CSNs are those of all
   * replicas.
   */
  readonly server: string;
}

const activeDirectoryOid = '1.2.840.113556.1.4.800';

/** Reads the entry that a directory has about itself. */
export async function dialectOf(session: LdapSession): Promise<Dialect> {
  const attributes = ['supportedCapabilities', 'vendorName', 'objectClass', 'dsServiceName'];
  const [root] = await session.find({ base: '', scope: 'base', filter: '(objectClass=*)', attributes });
  const of = (name: string): string[] => (root === undefined ? [] : texts(root, name));
  if (of('supportedCapabilities').includes(activeDirectoryOid)) {
    return {
      vendor: 'Active Directory',
      activeDirectory: true,
      idAttribute: 'objectGUID',
      changeAttribute: 'uSNChanged',
      server: of('dsServiceName')[0] ?? '',
    };
  }
  const openLdap = of('objectClass').some((each) => each.toLowerCase() === 'openldaprootdse');
  return {
    vendor: openLdap ? 'OpenLDAP' : (of('vendorName')[0] ?? 'LDAP'),
    activeDirectory: false,
    idAttribute: 'entryUUID',
    changeAttribute: 'entryCSN',
    server: '',
  };
}

/** Values of an attribute that are text. Servers spell attributes as their schema does. */
export function texts(entry: Entry, attribute: string): string[] {
  return values(entry, attribute).filter((each) => typeof each === 'string');
}

/** All values of an attribute. */
export function values(entry: Entry, attribute: string): (string | Buffer)[] {
  const wanted = attribute.toLowerCase();
  const key =
    attribute in entry ? attribute : Object.keys(entry).find((each) => each.toLowerCase() === wanted);
  const found = key === undefined ? [] : entry[key];
  return found === undefined ? [] : Array.isArray(found) ? found : [found];
}

/** The 32 hexadecimal digits of an entry's id; undefined if it has none. */
export function idOf(entry: Entry, { idAttribute }: Dialect): string | undefined {
  const [value] = values(entry, idAttribute);
  if (value === undefined) return undefined;
  const id = typeof value === 'string' ? value.replaceAll('-', '').toLowerCase() : value.toString('hex');
  return /^[0-9a-f]{32}$/.test(id) ? id : undefined;
}

/** Finds an entry by its id. */
export function idFilter({ idAttribute }: Dialect, id: string): Filter {
  const bytes = Buffer.from(id, 'hex');
  const uuid = `${id.slice(0, 8)}-${id.slice(8, 12)}-${id.slice(12, 16)}-${id.slice(16, 20)}-${id.slice(20)}`;
  return new EqualityFilter({ attribute: idAttribute, value: idAttribute === 'objectGUID' ? bytes : uuid });
}
