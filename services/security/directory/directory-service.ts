import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { SallyportError } from '#core/errors/error.ts';
import type { Directory, Role } from '#gen/sallyport/directory/v1/directory_pb.js';
import { hashPassword } from '#kernel/crypto/password.ts';
import type { Db } from '#kernel/db/db.ts';
import type { CallContext, Handlers } from '#kernel/rpc/handlers.ts';
import { held } from '#kernel/rpc/hold.ts';
import { readPage } from '#kernel/rpc/page.ts';
import type { Clock } from '#kernel/time/clock.ts';
import {
  type Administrator,
  type Administrators,
  changeKey,
  rankOf,
  requireRank,
} from '../authorize/administrators.ts';
import type { Feed } from '../feed/feed.ts';
import type { SecurityTables } from '../store/tables.ts';
import {
  type ChangeContext,
  createUser,
  deleteUser,
  setPassword,
  type UserChange,
  updateUser,
} from './change-users.ts';
import { findUserDetails, listUsers, type UserDetails } from './read-users.ts';
import { type PersonRole, roleOfWire, roleToWire } from './roles.ts';
import { canonicalUser } from './users.ts';

export interface DirectoryDeps {
  readonly db: Db<SecurityTables>;
  readonly feed: Pick<Feed, 'append' | 'announce'>;
  readonly admins: Administrators;
  /** Database time. */
  readonly clock: Clock;
}

/** Users, for administrators. Envoy says who may call what; this looks again. */
export function directoryService(deps: DirectoryDeps): Handlers<typeof Directory> {
  /** In one transaction, once for each request key, and told to the other pods. */
  const change = async (
    call: CallContext,
    by: Administrator,
    requestKey: string,
    body: (context: ChangeContext) => Promise<UserChange>,
  ): Promise<UserChange> => {
    const { db, feed, clock } = deps;
    const mayChange = (user: UserDetails): void => {
      // Whoever could set an officer's password would be one.
      for (const role of user.roles) {
        if (rankOf(role) > rankOf(by.role)) requireRank(by, role, `changing ${user.name}`);
      }
    };
    const done = await db.tx((trx) => body({ trx, feed, nowMs: clock.now(), mayChange }), {
      key: changeKey(call, by, requestKey),
      ...held(call),
    });
    if (done.position > 0) await feed.announce(done.position, 'COMMITTED');
    return done;
  };

  return {
    listUsers: async (request, call) => {
      await deps.admins.admit(call);
      const list = (limit: number) =>
        deps.db.read(
          (db) =>
            listUsers(db, {
              group: request.group === '' ? undefined : request.group,
              role: roleOfWire(request.role),
              namePrefix: request.namePrefix,
              after: request.pageToken === '' ? undefined : request.pageToken,
              limit,
            }),
          held(call),
        );
      const { rows, nextPageToken } = await readPage(request.pageSize, list, ({ name }) => name);
      return { users: rows.map(toWire), nextPageToken };
    },

    getUser: async ({ name }, call) => {
      await deps.admins.admit(call);
      const user = await deps.db.read((db) => findUserDetails(db, name), held(call));
      if (user !== undefined) return { user: toWire(user) };
      throw new SallyportError('NOT_FOUND', { message: `there is no user "${canonicalUser(name)}"` });
    },

    createUser: async ({ requestKey, name, displayName, groups, roles, password }, call) => {
      const by = await deps.admins.admit(call);
      if (roles !== undefined && roles.roles.length > 0) requireRank(by, 'security-officer', 'giving roles');
      const passwordHash = password === '' ? undefined : await hashPassword(password);
      const { user } = await change(call, by, requestKey, (context) =>
        createUser(context, {
          name,
          displayName: displayName === '' ? undefined : displayName,
          groups: groups?.names ?? [],
          roles: rolesOfWire(roles?.roles ?? []),
          passwordHash,
        }),
      );
      return { user: toWire(user) };
    },

    updateUser: async (request, call) => {
      const by = await deps.admins.admit(call);
      if (request.roles !== undefined) requireRank(by, 'security-officer', 'giving roles');
      const { user, position } = await change(call, by, request.requestKey, (context) =>
        updateUser(context, request.name, {
          displayName: request.displayName,
          groups: request.groups?.names,
          addGroups: request.addGroups?.names,
          removeGroups: request.removeGroups?.names,
          roles: request.roles && rolesOfWire(request.roles.roles),
          disabled: request.disabled,
        }),
      );
      return { user: toWire(user), position: BigInt(position) };
    },

    setPassword: async ({ requestKey, name, password }, call) => {
      const by = await deps.admins.admit(call);
      const hash = await hashPassword(password);
      const { position } = await change(call, by, requestKey, (context) => setPassword(context, name, hash));
      return { position: BigInt(position) };
    },

    deleteUser: async ({ requestKey, name, reason }, call) => {
      const by = await deps.admins.admit(call);
      const { position } = await change(call, by, requestKey, (context) => deleteUser(context, name, reason));
      return { position: BigInt(position) };
    },
  };
}

const rolesOfWire = (roles: readonly Role[]): PersonRole[] => roles.flatMap((role) => roleOfWire(role) ?? []);

function toWire(user: UserDetails) {
  const { name, displayName, groups, roles, disabled, hasPassword, source, createdMs, updatedMs } = user;
  return {
    name,
    displayName,
    groups: [...groups],
    roles: roles.map(roleToWire),
    disabled,
    hasPassword,
    source: source ?? '',
    createdAt: timestampFromMs(createdMs),
    updatedAt: timestampFromMs(updatedMs),
  };
}
