import { hashPassword, type PasswordFrom, verifyPassword } from '#kernel/crypto/password.ts';
import { type AsOf, type CredentialReads, readAsOf } from '../feed/as-of.ts';
import { findUser, type User, type UserEntryLink } from './users.ts';

export interface VerifyOptions {
  /** Learns how far the database was where the user was read. */
  readonly asOf: AsOf;
  readonly signal?: AbortSignal;
  /** Milliseconds for which the database may be waited for. */
  readonly deadlineMs?: number;
  readonly from?: PasswordFrom;
}

/** Verifies credentials and drops them. */
export interface Credentials {
  /** The user, or undefined: unknown name, disabled user and wrong password look and cost the same. */
  verify(name: string, password: string, options: VerifyOptions): Promise<User | undefined>;
  /** One who has proved it otherwise; undefined for unknown names and disabled users. */
  find(name: string, options: VerifyOptions): Promise<User | undefined>;
}

/** Asks the directory that a user comes from. */
export type AskDirectory = (
  user: User,
  entry: UserEntryLink,
  password: string,
  options: VerifyOptions,
) => Promise<boolean>;

export async function localCredentials(
  replica: CredentialReads,
  askDirectory: AskDirectory,
): Promise<Credentials> {
  // Verified for names that do not exist, so that the answer takes as long.
  const nobody = await hashPassword('');
  return {
    find: async (name, { asOf, from: _, ...waiting }) => {
      const user = await readAsOf(replica, asOf, (db) => findUser(db, name), waiting);
      return user?.disabled ? undefined : user;
    },
    verify: async (name, password, options) => {
      const { asOf, from, ...waiting } = options;
      const { signal } = waiting;
      const user = await readAsOf(replica, asOf, (db) => findUser(db, name), waiting);
      // Also for a directory's user: how long it takes must not tell who has one.
      const local = verifyPassword(user?.passwordHash ?? nobody, password, signal, from);
      if (user?.entry !== undefined && !user.disabled) {
        const [there] = await Promise.all([askDirectory(user, user.entry, password, options), local]);
        return there ? user : undefined;
      }
      return (await local) && user?.passwordHash !== undefined && !user.disabled ? user : undefined;
    },
  };
}
