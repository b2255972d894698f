import { SallyportError } from '#core/errors/error.ts';
import { Directory, Role } from '#gen/sallyport/directory/v1/directory_pb.js';
import { type PersonRole, roleToWire } from '#services/security/directory/roles.ts';
import { askTier } from '../ask-tier.ts';
import type { CommandContext } from '../command.ts';
import { type ListOptions, readList, showList } from '../list.ts';
import type { Outcome } from '../report.ts';
import { rolesText, stateText, userJson, userLines } from './user-text.ts';

export interface UserListOptions extends ListOptions {
  readonly group?: string;
  readonly role?: PersonRole;
  readonly prefix?: string;
}

/** `sallyport users list` */
export async function runUserList(o: UserListOptions, command: CommandContext): Promise<Outcome> {
  const { signal } = command;
  const filter = {
    group: o.group ?? '',
    role: o.role === undefined ? Role.UNSPECIFIED : roleToWire(o.role),
    namePrefix: o.prefix ?? '',
  };
  const list = await readList(o, command, (page) =>
    askTier(command, Directory, async (directory) => {
      const { users, nextPageToken } = await directory.listUsers({ ...filter, ...page }, { signal });
      return { entries: users, next: nextPageToken };
    }),
  );
  return showList(command, list, {
    what: ['user', 'users'],
    head: ['name', 'shown as', 'state', 'groups', 'roles'],
    row: (user) => [
      user.name,
      user.displayName,
      stateText(user),
      user.groups.join(', ') || '-',
      rolesText(user),
    ],
    json: userJson,
  });
}

/** `sallyport users show` */
export async function runUserShow(name: string, command: CommandContext): Promise<Outcome> {
  const { report, signal } = command;
  const { user } = await askTier(command, Directory, (directory) => directory.getUser({ name }, { signal }));
  if (user === undefined) throw new SallyportError('MALFORMED', { message: 'the answer has no user' });
  for (const line of userLines(user)) report.say(line);
  return { ok: true, items: { user: userJson(user) } };
}
