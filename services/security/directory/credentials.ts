import { hashPassword, type PasswordFrom, verifyPassword } from '#kernel/crypto/password.ts';
import type { Db } from '#kernel/db/db.ts';
import type { KeyTables } from '../store/tables-keys.ts';
import { findUser, type User } from './users.ts';

/** Verifies credentials and drops them. */
export interface Credentials {
  /** The user, or undefined: unknown name, disabled user and wrong password look and cost the same. */
  verify(
    name: string,
    password: string,
    signal?: AbortSignal,
    from?: PasswordFrom,
  ): Promise<User | undefined>;
}

export async function localCredentials(replica: Pick<Db<KeyTables>, 'read'>): Promise<Credentials> {
  // Verified for names that do not exist, so that the answer takes as long.
  const nobody = await hashPassword('');
  return {
    verify: async (name, password, signal, from) => {
      const user = await replica.read((db) => findUser(db, name), signal === undefined ? {} : { signal });
      const right = await verifyPassword(user?.passwordHash ?? nobody, password, signal, from);
      return right && user?.passwordHash !== undefined && !user.disabled ? user : undefined;
    },
  };
}
