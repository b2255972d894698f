import { hashPassword, type PasswordFrom, verifyPassword } from '#kernel/crypto/password.ts';
import { type AsOf, type CredentialReads, readAsOf } from '../feed/as-of.ts';
import { findUser, type User } from './users.ts';

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
}

export async function localCredentials(replica: CredentialReads): Promise<Credentials> {
  // Verified for names that do not exist, so that the answer takes as long.
  const nobody = await hashPassword('');
  return {
    verify: async (name, password, { asOf, from, ...waiting }) => {
      const { signal } = waiting;
      const user = await readAsOf(replica, asOf, (db) => findUser(db, name), waiting);
      const right = await verifyPassword(user?.passwordHash ?? nobody, password, signal, from);
      return right && user?.passwordHash !== undefined && !user.disabled ? user : undefined;
    },
  };
}
