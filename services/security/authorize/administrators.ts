import { createHash } from 'node:crypto';
import { SallyportError } from '#core/errors/error.ts';
import type { Db } from '#kernel/db/db.ts';
import type { CallContext } from '#kernel/rpc/handlers.ts';
import { isPersonRole, type PersonRole, personRoles } from '../directory/roles.ts';
import { bearerToken, sessionOfToken } from '../session/people-token.ts';
import type { SessionRecord } from '../session/record.ts';
import type { Sessions } from '../session/sessions.ts';
import type { SecurityTables } from '../store/tables.ts';
import { leastRole } from './role-table.ts';

/** Set by an edge that lets administrators in (`edge.admin_api` of mesh.yaml), and removed from what comes in there. */
const adminHeader = 'x-sallyport-admin';
/**
 * Tasks, whichever worker runs them: what one has begun another one repeats, under the same request key. They change
 * no user of a higher role than that.
 */
const tasks: Administrator = { name: 'tasks', role: 'operator' };

/** Whoever was let do something. */
export interface Administrator {
  /** `operator/<certificate's name>`, `person/<user>` or `tasks`, for the record. */
  readonly name: string;
  /** The highest. */
  readonly role: PersonRole;
  /** That of a person who would have shown two ways of proving who it is. */
  readonly stepUp?: PersonRole;
}

type AdminCall = Pick<CallContext, 'caller' | 'method' | 'header' | 'signal'>;

/** Lets administrators in: those with an operator's certificate, and people with a role. */
export interface Administrators {
  /** @throws CALLER_NOT_ALLOWED, TOKEN_INVALID, STALE, DB_UNAVAILABLE */
  admit(call: AdminCall): Promise<Administrator>;
  /**
   * For methods by which people look after what is their own: administrators as above, through an edge only where
   * it lets them in; and every person with a token, for what is theirs.
   * @throws CALLER_NOT_ALLOWED, TOKEN_INVALID, STALE, DB_UNAVAILABLE
   */
  admitOwner(call: AdminCall): Promise<Owner>;
}

/** Whoever was let do something to what is theirs, or to everybody's. */
export interface Owner {
  /** As an administrator's. */
  readonly name: string;
  /** Whose it must be; undefined for administrators. */
  readonly owner: string | undefined;
  /** No role above this one counts for the call. */
  readonly highest: PersonRole | undefined;
}

/** A person's roles in the directory now; none when disabled or removed. */
export type RolesOf = (user: string, signal: AbortSignal) => Promise<readonly PersonRole[]>;

export function administrators(deps: {
  readonly sessions: Pick<Sessions, 'get'>;
  readonly rolesOf: RolesOf;
  /** This role and those above it count only for who has shown two ways; undefined: each for everybody who has it. */
  readonly twoWays?: PersonRole | undefined;
}): Administrators {
  const highestOf = ({ amr }: Pick<SessionRecord, 'amr'>): PersonRole | undefined =>
    deps.twoWays === undefined || amr.length > 1 ? personRoles.at(-1) : personRoles[rankOf(deps.twoWays) - 1];
  /** The person's name, the least role for the method, and the highest that counts. */
  const person = async (
    call: AdminCall,
  ): Promise<{ user: string; least: PersonRole; highest: PersonRole | undefined }> => {
    const { caller, method } = call;
    const least = leastRole[method];
    if (caller.role !== 'edge' || least === undefined) {
      throw new SallyportError('CALLER_NOT_ALLOWED', {
        message: `${method} is for operators, and people with a token; the caller is ${caller.role}`,
      });
    }
    const record = await sessionOfToken(deps.sessions, bearerToken(call));
    return { user: record.user, least, highest: highestOf(record) };
  };
  const roleOf = async (user: string, signal: AbortSignal): Promise<PersonRole | undefined> => {
    const roles = await deps.rolesOf(user, signal);
    return personRoles.findLast((each) => roles.includes(each));
  };
  return {
    admit: async (call) => {
      const { caller, method } = call;
      if (caller.role === 'operator') return { name: `operator/${caller.pod}`, role: 'security-officer' };
      if (caller.role === 'worker') return tasks;
      const { user, least, highest } = await person(call);
      const given = await roleOf(user, call.signal);
      if (given === undefined) {
        throw new SallyportError('CALLER_NOT_ALLOWED', {
          message: `${user} has no role, and ${method} is for people with the role ${least}`,
          hint: 'a security officer can give it: `sallyport users set NAME --roles ROLE`',
        });
      }
      const role = lower(given, highest);
      if (role === undefined) throw needsTwoWays(method);
      const administrator = { name: `person/${user}`, role, ...(role !== given && { stepUp: given }) };
      requireRank(administrator, least, method);
      return administrator;
    },

    admitOwner: async (call) => {
      const { caller } = call;
      if (caller.role === 'operator')
        return { name: `operator/${caller.pod}`, owner: undefined, highest: undefined };
      if (caller.role === 'worker') return { name: tasks.name, owner: undefined, highest: undefined };
      const { user, least, highest } = await person(call);
      const given = call.header(adminHeader) === undefined ? undefined : await roleOf(user, call.signal);
      const role = lower(given, highest);
      const administers = role !== undefined && rankOf(role) >= rankOf(least);
      return { name: `person/${user}`, owner: administers ? undefined : user, highest };
    },
  };
}

/** @throws CALLER_NOT_ALLOWED or STEP_UP_NEEDED unless the administrator has the role or a higher one */
export function requireRank(administrator: Administrator, least: PersonRole, what: string): void {
  if (rankOf(administrator.role) >= rankOf(least)) return;
  if (administrator.stepUp !== undefined && rankOf(administrator.stepUp) >= rankOf(least))
    throw needsTwoWays(what);
  throw new SallyportError('CALLER_NOT_ALLOWED', {
    message: `${what} is for people with the role ${least}; the caller's is ${administrator.role}`,
    hint: 'a security officer can give it: `sallyport users set NAME --roles ROLE`',
  });
}

const needsTwoWays = (what: string): SallyportError =>
  new SallyportError('STEP_UP_NEEDED', {
    message: `${what} is for people who have logged in by two ways`,
  });

/** The lower of the two; none if there is not one of each. */
function lower(one: PersonRole | undefined, other: PersonRole | undefined): PersonRole | undefined {
  if (one === undefined || other === undefined) return undefined;
  return rankOf(one) < rankOf(other) ? one : other;
}

export const rankOf = (role: PersonRole): number => personRoles.indexOf(role);

/** Names a change by who asked for it and the request key of the asker: at most 160 bytes. */
export function changeKey(
  call: Pick<CallContext, 'method'>,
  { name }: Pick<Administrator, 'name'>,
  requestKey: string,
): string {
  const who = createHash('sha256').update(name).digest('base64url').slice(0, 22);
  return `${call.method} ${who} ${requestKey}`;
}

/** Read at the primary for each call: a role that was taken away is gone at once. */
export function mysqlRoles(db: Pick<Db<SecurityTables>, 'read'>): RolesOf {
  return async (user, signal) => {
    const rows = await db.read(
      (on) =>
        on
          .selectFrom('user_roles')
          .innerJoin('users', 'users.name', 'user_roles.user')
          .select('user_roles.role')
          .where('users.name', '=', user)
          .where('users.disabled', '=', 0)
          .execute(),
      { signal },
    );
    return rows.map(({ role }) => role).filter(isPersonRole);
  };
}
