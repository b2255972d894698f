import { toJson } from '@bufbuild/protobuf';
import { type User, UserSchema } from '#gen/sallyport/directory/v1/directory_pb.js';
import { roleOfWire } from '#services/security/directory/roles.ts';
import { table } from '../table.ts';
import { timeText } from '../time-text.ts';

/** As in the contract's JSON, every field of it. */
export const userJson = (user: User): unknown => toJson(UserSchema, user, { alwaysEmitImplicit: true });

export const rolesText = (user: User): string =>
  user.roles.map((role) => roleOfWire(role) ?? '?').join(', ') || '-';

export const stateText = (user: User): string =>
  user.disabled ? 'disabled' : user.hasPassword || user.source !== '' ? 'can log in' : 'no password';

/** A line for each thing that is known of a user. */
export const userLines = (user: User): string[] =>
  table(
    ['name', user.name],
    [
      ['shown as', user.displayName],
      ['groups', user.groups.join(', ') || '-'],
      ['roles', rolesText(user)],
      ['state', stateText(user)],
      ['comes from', user.source || '-'],
      ['made', timeText(user.createdAt)],
      ['changed', timeText(user.updatedAt)],
    ],
  );
