import { Role } from '#gen/sallyport/directory/v1/directory_pb.js';

/** What a person may administer; each may do what those before it may. */
export const personRoles = ['viewer', 'helpdesk', 'operator', 'security-officer'] as const;
export type PersonRole = (typeof personRoles)[number];

const wire: Readonly<Record<PersonRole, Role>> = {
  viewer: Role.VIEWER,
  helpdesk: Role.HELPDESK,
  operator: Role.OPERATOR,
  'security-officer': Role.SECURITY_OFFICER,
};

/** Roles that a newer release has brought give nothing here. */
export const isPersonRole = (role: string): role is PersonRole => personRoles.some((known) => known === role);

export const roleToWire = (role: PersonRole): Role => wire[role];

/** Undefined for ROLE_UNSPECIFIED. */
export const roleOfWire = (role: Role): PersonRole | undefined =>
  personRoles.find((known) => wire[known] === role);
