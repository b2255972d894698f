/** A made-up company as LDIF: people, groups, groups in groups. */
import { base } from './slapd.ts';

export interface CompanySize {
  readonly users: number;
  readonly groups: number;
  /** Of each group, besides the groups in it. */
  readonly membersPerGroup: number;
}

export const people = `ou=people,${base}`;
export const groups = `ou=groups,${base}`;
export const userDn = (n: number): string => `uid=user${n},${people}`;
export const groupDn = (n: number): string => `cn=group${n},${groups}`;
/** Of each user. */
export const passwordOf = (n: number): string => `password of ${n}`;

export const userEntry = (n: number, more: readonly string[] = []): string =>
  [
    `dn: ${userDn(n)}`,
    'objectClass: inetOrgPerson',
    `uid: User${n}`,
    `cn: Person ${n}`,
    `sn: ${n}`,
    `displayName: Person Number ${n}`,
    `userPassword: ${passwordOf(n)}`,
    ...more,
    '',
    '',
  ].join('\n');

/** group n holds users n × membersPerGroup onwards; every tenth group is held by the one before it. */
export function companyLdif({ users, groups: groupCount, membersPerGroup }: CompanySize): string {
  const parts = [
    `dn: ${base}\nobjectClass: dcObject\nobjectClass: organization\no: Example\ndc: example\n\n`,
    `dn: ${people}\nobjectClass: organizationalUnit\nou: people\n\n`,
    `dn: ${groups}\nobjectClass: organizationalUnit\nou: groups\n\n`,
  ];
  for (let n = 0; n < users; n++) parts.push(userEntry(n));
  for (let n = 0; n < groupCount; n++) {
    const members = Array.from({ length: membersPerGroup }, (_, k) =>
      userDn((n * membersPerGroup + k) % users),
    );
    if (n % 10 === 0 && n + 1 < groupCount) members.push(groupDn(n + 1));
    parts.push(
      `dn: ${groupDn(n)}\nobjectClass: groupOfNames\ncn: group${n}\n${members.map((each) => `member: ${each}\n`).join('')}\n`,
    );
  }
  return parts.join('');
}
